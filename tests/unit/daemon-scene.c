/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon-scene.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/strutil.h"
#include "db-scene.h"


const PciAddress nic = { .bus = 2 }, mate = { .bus = 2, .function = 1 }, single = { .bus = 1 },
                 bridged[3] = { { .bus = 4, .slot = 1 }, { .bus = 4, .slot = 1, .function = 1 }, { .bus = 4, .slot = 2 } }, pf = { .bus = 5 },
                 vf = { .bus = 5, .function = 1 };

DaemonScene daemon_scene;
static uint64_t deadline_usec; /* of a test */

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        ck_abort_msg("what was awaited did not come");
        return 0;
}

/* What the observer hears. */

static void listen_anew(void) {
        daemon_scene.heard_file = open_memstream(&daemon_scene.heard, &daemon_scene.heard_size);
        ck_assert_ptr_nonnull(daemon_scene.heard_file);
        (void) fflush(daemon_scene.heard_file);
}

static void hear(const char *format, ...) _printf_(1, 2);

static void hear(const char *format, ...) {
        char line[256];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);
        (void) fprintf(daemon_scene.heard_file, "%s\n", line);
        (void) fflush(daemon_scene.heard_file);
        if (daemon_scene.also)
                daemon_scene.also(line);
}

static void on_ready(void *userdata) {
        daemon_scene.ready = true;
        hear("ready");
}

static const char *change(bool before, bool now) {
        return before && now ? "changed" : now ? "new" : "gone";
}

static void on_device_changed(void *userdata, const PciAddress *address, const Device *before, const Device *now) {
        ck_assert(before || now);
        hear("device %s %s", PCI_ADDRESS_FORMAT(address), change(before, now));
}

static void on_group_changed(void *userdata, uint32_t number, bool before, const Group *now) {
        ck_assert(before || now);
        hear("group %" PRIu32 " %s %s", number, change(before, now), group_state_to_string(manager_group_state(daemon_scene.manager, number)));
}

static void on_assignment_added(void *userdata, const Assignment *assignment) {
        hear("assignment-added %s %s", assignment->owner, assignment_state_to_string(assignment->state));
}

static void on_assignment_changed(void *userdata, const Assignment *assignment) {
        hear("assignment-changed %s %s", assignment->owner, assignment_state_to_string(assignment->state));
}

static void on_assignment_removed(void *userdata, uint64_t id, const char *owner) {
        ck_assert_ptr_null(manager_find_assignment(daemon_scene.manager, id));
        hear("assignment-removed %s", owner);
}

static void on_operation_added(void *userdata, const Operation *operation) {
        ck_assert_ptr_eq(manager_find_operation(daemon_scene.manager, operation->id), operation);
        ck_assert(!operation_has_ended(operation));
        hear("operation-added %" PRIu64 " %s", operation->id, verb_to_string(operation->request.verb));
}

static void on_operation_changed(void *userdata, const Operation *operation) {
        ck_assert_ptr_eq(manager_find_operation(daemon_scene.manager, operation->id), operation);
        hear("operation-changed %" PRIu64 " %s", operation->id, operation_state_word(operation));
}

static void on_operation_removed(void *userdata, const Operation *operation) {
        ck_assert(operation_has_ended(operation));
        hear("operation-removed %" PRIu64 " %s", operation->id, operation_state_word(operation));
}

static void on_drift(void *userdata, const Drift *drift, const char *foreign) {
        hear("drift %s %s%s%s", drift_code_to_string(drift->code), PCI_ADDRESS_FORMAT(&drift->address), foreign ? " by " : "", foreign ?: "");
}

static const ManagerObserver observer = {
        .ready = on_ready,
        .device_changed = on_device_changed,
        .group_changed = on_group_changed,
        .assignment_added = on_assignment_added,
        .assignment_changed = on_assignment_changed,
        .assignment_removed = on_assignment_removed,
        .operation_added = on_operation_added,
        .operation_changed = on_operation_changed,
        .operation_removed = on_operation_removed,
        .drift = on_drift,
};

unsigned count_heard(const char *line) {
        unsigned n = 0;

        for (const char *at = daemon_scene.heard; at && *at; at = strchr(at, '\n') + 1)
                n += strncmp(at, line, strlen(line)) == 0;
        return n;
}

void assert_heard(const char *line) {
        ck_assert_msg(count_heard(line) > 0, "'%s' was not heard, but\n%s", line, daemon_scene.heard);
}

void forget_heard(void) {
        (void) fclose(daemon_scene.heard_file);
        free(TAKE_PTR(daemon_scene.heard));
        listen_anew();
}

/* The host. */

static char *join(const char *directory, const char *name) {
        char *path;

        ck_assert_int_ge(asprintf(&path, "%s/%s", directory, name), 0);
        return path;
}

static void make_directory(const char *directory, const char *name) {
        _cleanup_free_ char *path = join(directory, name);

        ck_assert_int_eq(mkdir(path, 0700), 0);
}

void scene_set_boot_id(const char *boot_id) {
        _cleanup_free_ char *path = join(daemon_scene.proc_path, "sys/kernel/random/boot_id");

        file_write(path, boot_id, strlen(boot_id));
}

static void make_paths(void) {
        static const char *const directories[] = { "state", "proc", "proc/sys", "proc/sys/kernel", "proc/sys/kernel/random", "driverctl.d", "run", "policy.d" };
        DaemonScene *s = &daemon_scene;

        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                make_directory(s->tree->path, directories[i]);
        s->state_directory = join(s->tree->path, "state");
        s->database_path = join(s->tree->path, "state/assignd.db");
        s->dev_path = join(s->tree->path, "dev");
        s->uevent_path = join(s->tree->path, "simk/uevents");
        s->proc_path = join(s->tree->path, "proc");
        s->driverctl_path = join(s->tree->path, "driverctl.d");
        s->run_path = join(s->tree->path, "run");
        s->policy_path = join(s->tree->path, "policy.d");
        scene_set_boot_id("01234567-89ab-cdef-0123-456789abcdef\n");
}

static void forget_host(void) {
        DaemonScene *s = &daemon_scene;

        s->tree = treegen_free(s->tree);
        free(TAKE_PTR(s->state_directory));
        free(TAKE_PTR(s->database_path));
        free(TAKE_PTR(s->dev_path));
        free(TAKE_PTR(s->uevent_path));
        free(TAKE_PTR(s->proc_path));
        free(TAKE_PTR(s->driverctl_path));
        free(TAKE_PTR(s->run_path));
        free(TAKE_PTR(s->policy_path));
}

static void make_host(int (*make)(int root_fd), bool iommufd) {
        DaemonScene *s = &daemon_scene;

        ck_assert_int_eq(treegen_new(&s->tree), 0);
        s->root = s->tree->fd;
        ck_assert_int_ge(make(s->root), 0);
        ck_assert_int_ge(simk_prepare(s->root, iommufd), 0);
        make_paths();
        s->config = (Config) {
                .sysfs_path = s->tree->path,
                .dev_path = s->dev_path,
                .proc_path = s->proc_path,
                .driverctl_path = s->driverctl_path,
                .run_path = s->run_path,
                .state_directory = s->state_directory,
                .policy_directory = s->policy_path,
                .worker_path = "/proc/self/exe",
                .pci_ids_path = "/dev/null",
                .uevent_socket = s->uevent_path,
                .slow_usec = 5 * USEC_PER_SEC,
                .stuck_usec = 10 * USEC_PER_SEC,
        };
}

void scene_replace_tree(int (*make)(int root_fd), bool iommufd) {
        forget_host();
        make_host(make, iommufd);
}

static void set_up(void) {
        DaemonScene *s = &daemon_scene;

        *s = (DaemonScene) {};
        listen_anew();
        ck_assert_int_ge(sd_event_new(&s->event), 0);
        ck_assert_int_ge(sd_event_add_time_relative(s->event, NULL, CLOCK_MONOTONIC, deadline_usec, 0, on_deadline, NULL), 0);
        make_host(treegen_make_lab, /* iommufd= */ true);
}

static void tear_down(void) {
        scene_stop();
        sd_event_unref(daemon_scene.event);
        forget_host();
        (void) fclose(daemon_scene.heard_file);
        free(daemon_scene.heard);
}

static bool has_line(const char *text, const char *line) {
        for (const char *at = text; *at; at = strchr(at, '\n') + 1)
                if (strncmp(at, line, strlen(line)) == 0)
                        return true;
        return false;
}

/* The trace is a file that a worker writes, which the loop cannot watch: it is looked at every now and then. */
void await_trace(const char *line) {
        for (;;) {
                _cleanup_free_ char *trace = NULL;

                ck_assert_int_eq(simk_read_trace(daemon_scene.root, &trace), 0);
                if (has_line(trace, line))
                        return;
                ck_assert_int_ge(sd_event_run(daemon_scene.event, 5 * USEC_PER_MSEC), 0);
        }
}

void loop_drain(void) {
        int r;

        do {
                r = sd_event_run(daemon_scene.event, 0);
                ck_assert_int_ge(r, 0);
        } while (r > 0);
}

void scene_write_policy(const char *name, const char *quoted) {
        _cleanup_free_ char *path = join(daemon_scene.policy_path, name), *text = quoted ? strdup(quoted) : NULL;

        if (!quoted) {
                ck_assert_int_eq(unlink(path), 0);
                return;
        }
        ck_assert_ptr_nonnull(text);
        for (char *p = text; *p; p++)
                if (*p == '\'')
                        *p = '"';
        file_write(path, text, strlen(text));
}

void scene_observe(void) {
        manager_set_observer(daemon_scene.manager, &observer);
}

void scene_create(void) {
        ck_assert_int_eq(manager_new(&daemon_scene.config, daemon_scene.event, &daemon_scene.manager), 0);
        scene_observe();
}

void scene_start(void) {
        daemon_scene.ready = false;
        scene_create();
        ck_assert_int_eq(manager_start(daemon_scene.manager), 0);
        AWAIT(daemon_scene.ready);
}

void scene_stop(void) {
        daemon_scene.manager = manager_free(daemon_scene.manager);
}

/* What is true of the host. */

static int name_compare(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

static char *read_driver(const char *address) {
        char path[512], *driver = NULL;

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver", address);
        (void) link_basename_at(daemon_scene.root, path, &driver);
        return driver;
}

static char *read_override(const char *address) {
        char path[512], text[128];

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver_override", address);
        if (attribute_read_at(daemon_scene.root, path, text, sizeof(text)) < 0 || string_equal(text, "(null)"))
                return NULL;
        return strdup(text);
}

char *scene_snapshot(void) {
        FILE *f;
        struct dirent **names = NULL;
        char *text = NULL;
        size_t size;
        int n;

        f = open_memstream(&text, &size);
        ck_assert_ptr_nonnull(f);
        n = scandirat(daemon_scene.root, "bus/pci/devices", &names, is_shown, name_compare);
        ck_assert_int_ge(n, 0);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *driver = read_driver(names[i]->d_name), *override = read_override(names[i]->d_name);

                (void) fprintf(f, "%s %s %s\n", names[i]->d_name, driver ?: "-", override ?: "-");
                free(names[i]);
        }
        free(names);
        (void) fclose(TAKE_PTR(f)); /* may move the text */
        return text;
}

void assert_snapshot(const char *expected) {
        _cleanup_free_ char *now = scene_snapshot();

        ck_assert_msg(string_equal(now, expected), "the host is\n%sand not\n%s", now, expected);
}

static void assert_same(const char *what, const PciAddress *address, const char *found, const char *expected) {
        ck_assert_msg(string_equal(found, expected), "the %s of %s is %s, not %s", what, PCI_ADDRESS_FORMAT(address), found ?: "none",
                      expected ?: "none");
}

void assert_driver(const PciAddress *address, const char *driver) {
        _cleanup_free_ char *found = read_driver(PCI_ADDRESS_FORMAT(address));

        assert_same("driver", address, found, driver);
}

void assert_override(const PciAddress *address, const char *override) {
        _cleanup_free_ char *found = read_override(PCI_ADDRESS_FORMAT(address));

        assert_same("driver_override", address, found, override);
}

char *answer(const char *sql) {
        return ask_file(daemon_scene.database_path, sql);
}

void assert_rows(const char *sql, const char *expected) {
        _cleanup_free_ char *found = answer(sql);

        ck_assert_msg(string_equal(found, expected), "%s\ngives:\n%sand not:\n%s", sql, found, expected);
}

/* Requests. */

Request make_request(Verb verb, const char *owner, ...) {
        Request request = { .verb = verb };
        const char *target;
        va_list ap;

        ck_assert_int_eq(string_copy(owner, &request.owner), 0);
        va_start(ap, owner);
        while ((target = va_arg(ap, const char *)))
                ck_assert_int_eq(strv_append(&request.targets, target), 0);
        va_end(ap);
        return request;
}

static int carry_out(Request *request, Refusal *refusal, Operation **ret) {
        int lease_fd = -EBADF;

        if (request->verb == VERB_ASSIGN)
                return manager_assign(daemon_scene.manager, request, &lease_fd, refusal, ret);
        if (request->verb == VERB_RESERVE)
                return manager_reserve(daemon_scene.manager, request, refusal, ret);
        if (request->verb == VERB_UNRESERVE)
                return manager_unreserve(daemon_scene.manager, request, refusal, ret);
        if (request->verb == VERB_RECOVER)
                return manager_recover(daemon_scene.manager, request, refusal, ret);
        return manager_release(daemon_scene.manager, request, refusal, ret);
}

Operation *begin_request(Request request) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation = NULL;
        int r;

        r = carry_out(&request, &refusal, &operation);
        request_done(&request);
        ck_assert_int_eq(r, 0);
        ck_assert_msg(refusal.code == REFUSAL_NONE, "refused: %s", refusal.message);
        ck_assert_ptr_nonnull(operation);
        return operation;
}

void request_refused(Request request, RefusalCode code, const char *in_message) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation = (Operation *) -1;
        int r;

        r = carry_out(&request, &refusal, &operation);
        request_done(&request);
        ck_assert_int_eq(r, 0);
        ck_assert_ptr_null(operation);
        ck_assert_msg(refusal.code == code, "refused with %s: %s", refusal_code_to_string(refusal.code), refusal.message);
        ck_assert_msg(strstr(refusal.message, in_message), "no '%s' in '%s'", in_message, refusal.message);
}

Operation *begin_assign(const char *owner, const char *target) {
        return begin_request(make_request(VERB_ASSIGN, owner, target, NULL));
}

Operation *begin_release(const char *owner) {
        return begin_request(make_request(VERB_RELEASE, owner, NULL));
}

Operation *begin_open(uint64_t assignment) {
        _cleanup_(refusal_done) Refusal refusal = {};
        Operation *operation = NULL;
        Caller caller = {};

        ck_assert_int_eq(manager_open(daemon_scene.manager, assignment, NULL, &caller, &refusal, &operation), 0);
        ck_assert_msg(refusal.code == REFUSAL_NONE, "refused: %s", refusal.message);
        return operation;
}

void await_end(Operation *operation) {
        AWAIT(operation_has_ended(operation));
}

static void await_done(Operation *operation) {
        await_end(operation);
        ck_assert_msg(operation->state == OPERATION_DONE, "%s: %s", operation_state_word(operation), operation->outcome.message);
}

uint64_t assign(const char *owner, const char *target) {
        Operation *operation = begin_assign(owner, target);

        await_done(operation);
        return operation->assignment;
}

void release(const char *owner) {
        await_done(begin_release(owner));
}

/* The suite. */

int daemon_suite_run_loops(int argc, char *argv[], const KernelOps *ops, const char *name, const LoopTest *tests, size_t n_tests, unsigned timeout_sec) {
        Suite *suite;
        TCase *tcase;
        SRunner *runner;
        int n_failed;

        if (argc > 1)
                return worker_main(argc, argv, ops);

        deadline_usec = timeout_sec * USEC_PER_SEC;
        suite = suite_create(name);
        tcase = tcase_create(name);
        runner = srunner_create(suite);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_set_timeout(tcase, timeout_sec + 30);
        suite_add_tcase(suite, tcase);
        for (size_t i = 0; i < n_tests; i++)
                tcase_add_loop_test(tcase, tests[i].test, 0, tests[i].n);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int daemon_suite_run(int argc, char *argv[], const KernelOps *ops, const char *name, const TTest *const tests[], size_t n_tests) {
        _cleanup_free_ LoopTest *loops = calloc(n_tests, sizeof(LoopTest));

        for (size_t i = 0; loops && i < n_tests; i++)
                loops[i] = (LoopTest) { tests[i], 1 };
        return loops ? daemon_suite_run_loops(argc, argv, ops, name, loops, n_tests, 60) : EXIT_FAILURE;
}
