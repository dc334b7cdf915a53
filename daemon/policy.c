/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/policy.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/accounts.h"
#include "base/io.h"
#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/label.h"
#include "daemon/manager.h"

#define FILES_SHOWN_MAX 16U

void policy_done(Policy *policy) {
        policy_set_done(&policy->set);
        policy_error_list_done(&policy->errors);
        free(policy->problem);
        *policy = (Policy) {};
}

static int is_policy_file(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return entry->d_name[0] != '.' && n > strlen(".json") && string_equal(entry->d_name + n - strlen(".json"), ".json");
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* What is wrong with a file as such; NULL: nothing. */
static const char *complaint(const struct stat *st) {
        if (!S_ISREG(st->st_mode))
                return "something that is not a file";
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return "a file of another user than root";
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return "a file that others than its owner can write";
        if (st->st_size > (off_t) POLICY_FILE_MAX)
                return "a file of more than 4 MiB";
        return NULL;
}

/* Names go to terminals and buses. */
static int refuse_name(const char *name, PolicyErrorList *errors) {
        _cleanup_free_ char *shown = NULL;
        int r;

        r = string_escape(name, NAME_MAX, &shown);
        return r < 0 ? r : policy_error_list_add(errors, shown, 0, 0, "a name that cannot be printed", "printable UTF-8");
}

static int read_file(int directory_fd, const char *name, PolicySet *set, PolicyErrorList *errors) {
        static const PolicyNames names = { account_find_local_user, account_find_local_group };
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *text = NULL;
        struct stat st;
        int r;

        if (!string_is_printable(name, NAME_MAX))
                return refuse_name(name, errors);
        fd = RET_NERRNO(openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
        if (fd < 0)
                return policy_error_list_add(errors, name, 0, 0, strerrordesc_np(-fd), "a file that can be opened");
        if (fstat(fd, &st) < 0)
                return -errno;
        if (complaint(&st))
                return policy_error_list_add(errors, name, 0, 0, complaint(&st), "a policy that only root can write");
        text = malloc((size_t) st.st_size + 1);
        if (!text)
                return -ENOMEM;
        r = read_exactly(fd, text, (size_t) st.st_size);
        if (r < 0)
                return policy_error_list_add(errors, name, 0, 0, strerrordesc_np(-r), "a file that can be read");
        return policy_parse(name, text, (size_t) st.st_size, &names, set, errors);
}

int policy_read(const char *directory, PolicySet *ret, PolicyErrorList *errors) {
        _cleanup_(policy_set_done) PolicySet set = {};
        _cleanup_close_ int fd = -EBADF;
        struct dirent **entries = NULL;
        int n, r = 0;

        fd = RET_NERRNO(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (fd == -ENOENT) {
                *ret = (PolicySet) {};
                return 0;
        }
        if (fd < 0)
                return policy_error_list_add(errors, directory, 0, 0, strerrordesc_np(-fd), "a directory that can be read");
        n = scandirat(fd, ".", &entries, is_policy_file, compare_names);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = read_file(fd, entries[i]->d_name, &set, errors);
                free(entries[i]);
        }
        free(entries);
        if (r < 0)
                return r;
        *ret = set;
        set = (PolicySet) {};
        return 0;
}

/* Nobody's devices change their label while somebody has them. */
static int check_labels(const Manager *manager, const Assignment *assignment, const PolicySet *set, PolicyErrorList *errors) {
        for (size_t i = 0; i < assignment->records.n_items; i++) {
                const Device *device = facts_find_device(manager_facts(manager), &assignment->records.items[i].address);
                _cleanup_free_ char *found = NULL, *expected = NULL;
                DeviceLabel before, after;
                int r;

                if (!device)
                        continue;
                before = manager_device_label(manager, device);
                after = device_label(set, &manager->labels, device, manager_host_driver(manager, device));
                if (string_equal(before.label, after.label))
                        continue;
                if (string_format(&found, "%s for %s, which is assigned to %s", after.label ?: "no label", PCI_ADDRESS_FORMAT(&device->address),
                                  assignment->owner) < 0 ||
                    string_format(&expected, "%s until it is released", before.label ?: "no label") < 0)
                        return -ENOMEM;
                r = policy_error_list_add(errors, after.rule ? after.rule->origin.file : before.rule ? before.rule->origin.file : "labels",
                                          after.rule ? after.rule->origin.line : 0, 1, found, expected);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int describe_problem(const Policy *policy, const char *directory, char **ret) {
        _cleanup_free_ char *first = NULL;
        const char *effect = policy->was_good ? "the one before stays in force" : "nothing is assigned until it is mended";
        int r;

        r = policy_error_format(&policy->errors.items[0], &first);
        if (r < 0)
                return r;
        if (policy->errors.n_items == 1)
                return string_format(ret, "the policy in %s has an error, and %s: %s", directory, effect, first);
        return string_format(ret, "the policy in %s has %zu errors, and %s. The first: %s", directory, policy->errors.n_items, effect, first);
}

static void log_errors(const PolicyErrorList *errors) {
        for (size_t i = 0; i < errors->n_items; i++) {
                _cleanup_free_ char *text = NULL;

                if (policy_error_format(&errors->items[i], &text) >= 0)
                        log_error("Policy: %s", text);
        }
}

static int refuse_set(Policy *policy, PolicyErrorList *errors, const char *directory) {
        _cleanup_free_ char *problem = NULL;
        int r;

        policy_error_list_done(&policy->errors);
        policy->errors = *errors;
        *errors = (PolicyErrorList) {};
        log_errors(&policy->errors);
        r = describe_problem(policy, directory, &problem);
        if (r < 0)
                return r;
        free(policy->problem);
        policy->problem = TAKE_PTR(problem);
        log_warning("From now on %s", policy->problem);
        return 0;
}

/* Reads the files into the set, or what is wrong with them. */
static int read_files(const Manager *manager, PolicySet *set, PolicyErrorList *errors) {
        const char *directory = manager->config->policy_directory;

        return directory ? policy_read(directory, set, errors) : 0;
}

/* "3 rules, 1 labels, 0 claims, 0 protections and 0 resets, from 10-a.json 20-b.json" */
static int describe_set(const PolicySet *set, char **ret) {
        size_t n = strv_length(set->files), size;
        _cleanup_free_ char *text = NULL;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return -ENOMEM;
        fprintf(f, "%zu rules, %zu labels, %zu claims, %zu protections and %zu resets, from %s", set->n_rules, set->n_labels, set->n_claims, set->n_protections,
                set->n_resets, n == 0 ? "no files" : "");
        for (size_t i = 0; i < n && i < FILES_SHOWN_MAX; i++)
                fprintf(f, "%s%s", i > 0 ? " " : "", set->files[i]);
        if (n > FILES_SHOWN_MAX)
                fprintf(f, " and %zu more files", n - FILES_SHOWN_MAX);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

/* Takes the set over. */
static void put_in_force(Policy *policy, PolicySet *set) {
        policy_done(policy);
        policy->set = *set;
        policy->was_good = true;
        *set = (PolicySet) {};
}

int manager_load_policy(Manager *manager) {
        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
        _cleanup_(policy_set_done) PolicySet set = {};
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_files(manager, &set, &errors);
        if (r < 0)
                return r;
        if (errors.n_items > 0)
                return refuse_set(&manager->policy, &errors, manager->config->policy_directory);
        r = describe_set(&set, &text);
        if (r < 0)
                return r;
        put_in_force(&manager->policy, &set);
        log_info("The policy in force is %s", text);
        return 0;
}

/* What nobody could look up later does not happen. */
static int stay_without_row(Policy *policy, int error) {
        _cleanup_free_ char *problem = NULL;
        int r;

        log_error_errno(error, "Failed to record a reload of the policy in the audit trail, so the one before stays in force: %m");
        r = string_format(&problem, "the policy was not reloaded, as that could not be recorded in the audit trail (%s)", strerrordesc_np(-error));
        if (r < 0)
                return r;
        free(policy->problem);
        policy->problem = TAKE_PTR(problem);
        return 0;
}

static int replace_set(Manager *manager, const Caller *caller, PolicySet *set) {
        bool is_news = !policy_set_equal(&manager->policy.set, set) || manager->policy.problem;
        _cleanup_free_ char *text = NULL, *message = NULL;
        int r;

        r = describe_set(set, &text);
        if (r >= 0)
                r = string_format(&message, "The policy in force is %s", text);
        if (r < 0)
                return r;
        r = is_news ? audit_reload(manager->db, caller, /* is_refused= */ false, message) : 0;
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return stay_without_row(&manager->policy, r);
        put_in_force(&manager->policy, set);
        log_info("%s", message);
        return 0;
}

int manager_reload_policy(Manager *manager, const Caller *caller) {
        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
        _cleanup_(policy_set_done) PolicySet set = {};
        int r;

        r = read_files(manager, &set, &errors);
        for (size_t i = 0; r >= 0 && errors.n_items == 0 && manager->policy.was_good && i < manager->assignments.n_items; i++)
                r = check_labels(manager, manager->assignments.items[i], &set, &errors);
        if (r < 0)
                return r;
        if (errors.n_items == 0)
                return replace_set(manager, caller, &set);
        r = refuse_set(&manager->policy, &errors, manager->config->policy_directory);
        if (r < 0)
                return r;
        r = audit_reload(manager->db, caller, /* is_refused= */ true, manager->policy.problem);
        if (r < 0)
                log_error_errno(r, "Failed to record a refused policy in the audit trail: %m");
        return 0;
}
