/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/question.h"

#include <string.h>

#include "base/strutil.h"
#include "daemon/permit.h"
#include "dbus/encode.h"
#include "dbus/options.h"
#include "dbus/path.h"

void question_done(Question *question) {
        for (size_t i = 0; i < question->n_checks; i++)
                strv_free(question->checks[i].details);
        free(question->checks);
        refusal_done(&question->refusal);
        *question = (Question) {};
}

static bool check_equal(const Check *a, const Check *b) {
        size_t n = strv_length(a->details);

        if (a->action != b->action || a->grants != b->grants || n != strv_length(b->details))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!string_equal(a->details[i], b->details[i]))
                        return false;
        return true;
}

bool question_equal(const Question *a, const Question *b) {
        if (a->n_checks != b->n_checks || a->refusal.code != b->refusal.code)
                return false;
        for (size_t i = 0; i < a->n_checks; i++)
                if (!check_equal(&a->checks[i], &b->checks[i]))
                        return false;
        return true;
}

/* A call as it is being looked at, and the question that comes of it. */
typedef struct Inquiry {
        const Manager *manager;
        const Access *access;
        Request request; /* as far as it matters who may have it; verb: _VERB_INVALID where the policy has no say */
        Question question;
} Inquiry;

static void inquiry_done(Inquiry *inquiry) {
        request_done(&inquiry->request);
        question_done(&inquiry->question);
}

static int detail_add(Check *check, const char *key, const char *value) {
        int r;

        r = strv_append(&check->details, key);
        return r < 0 ? r : strv_append(&check->details, value ?: "");
}

/* Text of a caller goes out as UTF-8 whatever it is. */
static int detail_add_text(Check *check, const char *key, const char *value) {
        _cleanup_free_ char *escaped = NULL;
        int r;

        r = string_escape(value ?: "", OWNER_NAME_MAX, &escaped);
        return r < 0 ? r : detail_add(check, key, escaped);
}

static int detail_add_number(Check *check, const char *key, uint64_t number) {
        char text[3 * sizeof(number) + 1];

        (void) snprintf(text, sizeof(text), "%" PRIu64, number);
        return detail_add(check, key, text);
}

static int detail_add_hex(Check *check, const char *key, uint32_t number, unsigned digits) {
        char text[sizeof("ffffffff")];

        *hex_write(text, number, digits) = '\0';
        return detail_add(check, key, text);
}

/* A further check with its verb. It is the question's, and stays where it is until the next one. */
static int check_add(Inquiry *inquiry, Action action, CheckGrant grants, Check **ret) {
        Question *question = &inquiry->question;
        Check *checks;
        int r;

        checks = reallocarray(question->checks, question->n_checks + 1, sizeof(Check));
        if (!checks)
                return -ENOMEM;
        question->checks = checks;
        checks[question->n_checks] = (Check) { .action = action, .grants = grants };
        *ret = &checks[question->n_checks++];
        r = detail_add(*ret, "verb", inquiry->access->verb ?: "view");
        return r < 0 ? r : 0;
}

static int check_add_owner(Check *check, const char *owner, const char *label) {
        int r;

        r = detail_add_text(check, "owner", owner);
        return r < 0 ? r : detail_add_text(check, "label", label);
}

/* Another user, who has what the call is about. */
typedef struct Holder {
        const char *what; /* "assignment" or "reservation" */
        uint64_t id;
        uid_t uid;
        const char *owner, *label; /* NULL: none */
} Holder;

static int check_add_holder(Check *check, const Holder *holder) {
        int r;

        r = check_add_owner(check, holder->owner, holder->label);
        if (r >= 0)
                r = detail_add_number(check, holder->what, holder->id);
        return r < 0 ? r : detail_add_number(check, "uid", holder->uid);
}

static int check_add_device(Check *check, const Device *device, const char *label, bool companion) {
        const PciIdentity *identity = &device->identity;
        int r;

        r = detail_add(check, "address", PCI_ADDRESS_FORMAT(&device->address));
        if (r >= 0)
                r = detail_add_hex(check, "vendor_id", identity->vendor, 4);
        if (r >= 0)
                r = detail_add_hex(check, "device_id", identity->device, 4);
        if (r >= 0)
                r = detail_add_hex(check, "subsystem_vendor_id", identity->subsystem_vendor, 4);
        if (r >= 0)
                r = detail_add_hex(check, "subsystem_device_id", identity->subsystem_device, 4);
        if (r >= 0)
                r = detail_add_hex(check, "class", identity->class & 0xffffffU, 6);
        if (r >= 0)
                r = detail_add_number(check, "group", device->group);
        if (r >= 0)
                r = detail_add_text(check, "driver", device->driver);
        if (r >= 0)
                r = detail_add_text(check, "device_label", label);
        return r < 0 ? r : detail_add(check, "companion", companion ? "true" : "false");
}

static int ask_plainly(Inquiry *inquiry, Action action) {
        Check *check;
        int r;

        r = check_add(inquiry, action, GRANT_PASS, &check);
        if (r < 0 || (!inquiry->request.owner && !inquiry->request.label))
                return r;
        return check_add_owner(check, inquiry->request.owner, inquiry->request.label);
}

/* What of the devices the policy wants to ask about. */
static int ask_of_devices(Inquiry *inquiry, Device *const *devices, size_t n_devices, bool companions) {
        _cleanup_(policy_query_done) PolicyQuery query = {};
        const PolicyCaller caller = policy_caller_of(&inquiry->request);
        bool has_verb = inquiry->request.verb >= 0;
        int r = 0;

        if (has_verb)
                r = policy_query(&inquiry->manager->policy.set, &caller, inquiry->request.verb, &query);
        for (size_t i = 0; r >= 0 && i < n_devices; i++) {
                const PolicyDevice seen = permit_see_device(inquiry->manager, devices[i]);
                Check *check;

                if (has_verb && policy_decide(&query, &seen).verdict != POLICY_ASK)
                        continue;
                r = check_add(inquiry, inquiry->access->action, GRANT_PASS, &check);
                if (r >= 0)
                        r = check_add_owner(check, inquiry->request.owner, inquiry->request.label);
                if (r >= 0)
                        r = check_add_device(check, devices[i], seen.label, companions);
        }
        return r;
}

static int list_devices(const Selection *selection, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t n = selection->n_wanted + selection->n_companions, at = 0;

        text = calloc(n ?: 1, PCI_ADDRESS_STRING_MAX + 1);
        if (!text)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const Device *device = i < selection->n_wanted ? selection->wanted[i] : selection->companions[i - selection->n_wanted];

                at += (size_t) sprintf(text + at, "%s%s", i > 0 ? " " : "", PCI_ADDRESS_FORMAT(&device->address));
        }
        *ret = TAKE_PTR(text);
        return 0;
}

static int ask_to_override(Inquiry *inquiry, const Selection *selection) {
        _cleanup_free_ char *devices = NULL;
        int r;

        r = list_devices(selection, &devices);
        for (size_t i = 0; r >= 0 && inquiry->request.overrides && inquiry->request.overrides[i]; i++) {
                Check *check;

                r = check_add(inquiry, ACTION_OVERRIDE_SAFETY, GRANT_PASS, &check);
                if (r >= 0)
                        r = check_add_owner(check, inquiry->request.owner, inquiry->request.label);
                if (r >= 0)
                        r = detail_add_text(check, "override", inquiry->request.overrides[i]);
                if (r >= 0)
                        r = detail_add(check, "devices", devices);
        }
        return r;
}

/* Whether the policy leaves it open: the blockers are its denials. What an override goes past is not denied yet. */
static int refuse_denied(Inquiry *inquiry, BlockerList *blockers) {
        _cleanup_(blocker_list_done) BlockerList overridable = {};
        int r;

        if (inquiry->question.refusal.code != REFUSAL_NONE)
                return 0;
        r = blocker_list_override(blockers, BLOCKER_POLICY_DENIED, &overridable);
        return r < 0 ? r : refusal_from_blockers(&inquiry->question.refusal, blockers);
}

static int ask_of_selection(Inquiry *inquiry, const Selection *selection) {
        _cleanup_(blocker_list_done) BlockerList denied = {};
        int r = 0;

        if (inquiry->request.verb >= 0)
                r = permit_groups(inquiry->manager, &inquiry->request, selection->groups, selection->n_groups, &denied);
        if (r >= 0)
                r = refuse_denied(inquiry, &denied);
        if (r >= 0)
                r = ask_of_devices(inquiry, selection->wanted, selection->n_wanted, /* companions= */ false);
        if (r >= 0)
                r = ask_of_devices(inquiry, selection->companions, selection->n_companions, /* companions= */ true);
        return r < 0 ? r : ask_to_override(inquiry, selection);
}

static Device recorded_device(const Inquiry *inquiry, const DeviceRecord *record) {
        const Device *device = facts_find_device(manager_facts(inquiry->manager), &record->address);

        if (device)
                return *device;
        return (Device) { .address = record->address, .identity = record->identity, .role = ROLE_ENDPOINT, .group = record->group, .numa_node = -1 };
}

static int ask_of_record(Inquiry *inquiry, const Holder *holder, const DeviceRecord *record) {
        const Device device = recorded_device(inquiry, record);
        const PolicyDevice seen = permit_see_device(inquiry->manager, &device);
        Check *check;
        int r;

        r = check_add(inquiry, ACTION_RELEASE_OTHERS, GRANT_PASS, &check);
        if (r >= 0)
                r = check_add_holder(check, holder);
        return r < 0 ? r : check_add_device(check, &device, seen.label, !record->wanted);
}

/* A reservation is its holder's to end. */
static int ask_of_reservation(Inquiry *inquiry, const Reservation *reservation) {
        const Holder holder = { "reservation", reservation->id, reservation->uid, NULL, NULL };
        _cleanup_(blocker_list_done) BlockerList denied = {};
        int r;

        if (reservation->uid == inquiry->request.caller.uid)
                return 0;
        r = permit_reservation(inquiry->manager, &inquiry->request, reservation, &denied);
        if (r >= 0)
                r = refuse_denied(inquiry, &denied);
        for (size_t i = 0; r >= 0 && i < reservation->records.n_items; i++)
                r = ask_of_record(inquiry, &holder, &reservation->records.items[i]);
        return r;
}

/* Whether a target is in a group that `has_group` is true of, or is the address of one of the records: of what has left, too. */
static bool is_targeted(const Inquiry *inquiry, const void *holding, bool (*has_group)(const void *holding, uint32_t number), const RecordList *records) {
        for (size_t i = 0; inquiry->request.targets[i]; i++) {
                const Device *device;
                Target target;

                if (target_parse(inquiry->request.targets[i], &target) < 0)
                        continue;
                device = target.is_group ? NULL : facts_find_device(manager_facts(inquiry->manager), &target.address);
                if (!target.is_group && record_list_find(records, &target.address))
                        return true;
                if (device)
                        target.group = device->group;
                if ((target.is_group || device) && has_group(holding, target.group))
                        return true;
        }
        return false;
}

static bool reservation_holds(const void *reservation, uint32_t number) {
        return reservation_has_group(reservation, number);
}

static bool assignment_holds(const void *assignment, uint32_t number) {
        return assignment_has_group(assignment, number);
}

static int ask_to_unreserve(Inquiry *inquiry) {
        const ReservationTable *table = &inquiry->manager->reservations;
        bool any = false;

        for (size_t i = 0; i < table->n_items; i++) {
                int r;

                if (!is_targeted(inquiry, table->items[i], reservation_holds, &table->items[i]->records))
                        continue;
                any = true;
                r = ask_of_reservation(inquiry, table->items[i]);
                if (r < 0)
                        return r;
        }
        return any ? 0 : ask_plainly(inquiry, inquiry->access->action);
}

static int ask_of_targets(Inquiry *inquiry) {
        _cleanup_(selection_done) Selection selection = {};
        _cleanup_(blocker_list_done) BlockerList blockers = {};
        _cleanup_(refusal_done) Refusal refusal = {};
        int r;

        if (strv_length(inquiry->request.targets) == 0 || strv_length(inquiry->request.targets) > TARGETS_MAX)
                return ask_plainly(inquiry, inquiry->access->action);
        if (inquiry->request.verb == VERB_UNRESERVE)
                return ask_to_unreserve(inquiry);
        r = selection_resolve(manager_facts(inquiry->manager), inquiry->request.targets, &selection, &blockers, &refusal);
        if (r < 0)
                return r;
        if (selection.n_wanted + selection.n_companions == 0)
                return ask_plainly(inquiry, inquiry->access->action);
        return ask_of_selection(inquiry, &selection);
}

/* What another user holds. Who was given devices may open them and give them back: that is what they were given for. */
static int ask_of_assignment(Inquiry *inquiry, const Assignment *assignment) {
        const Holder holder = { "assignment", assignment->id, assignment->uid, assignment->owner, assignment->label };
        _cleanup_(blocker_list_done) BlockerList denied = {};
        int r;

        if (assignment->uid == inquiry->request.caller.uid)
                return 0;
        r = permit_assignment(inquiry->manager, &inquiry->request, assignment, &denied);
        if (r >= 0)
                r = refuse_denied(inquiry, &denied);
        for (size_t i = 0; r >= 0 && i < assignment->records.n_items; i++)
                r = ask_of_record(inquiry, &holder, &assignment->records.items[i]);
        return r;
}

/* Every assignment that the owner or the targets come to: more than the manager will give back where the two contradict each other. */
static int ask_to_release(Inquiry *inquiry) {
        const AssignmentTable *table = &inquiry->manager->assignments;
        bool any = false;

        for (size_t i = 0; i < table->n_items; i++) {
                const Assignment *assignment = table->items[i];
                bool meant = strv_length(inquiry->request.targets) > 0 ? is_targeted(inquiry, assignment, assignment_holds, &assignment->records) : string_equal(assignment->owner, inquiry->request.owner);
                int r;

                if (!meant)
                        continue;
                any = true;
                r = ask_of_assignment(inquiry, assignment);
                if (r < 0)
                        return r;
        }
        return any ? 0 : ask_plainly(inquiry, inquiry->access->action);
}

/* More devices for an owner that another user's assignment has extend that one's hold. */
static int ask_to_extend(Inquiry *inquiry) {
        const AssignmentTable *table = &inquiry->manager->assignments;

        for (size_t i = 0; i < table->n_items; i++) {
                const Assignment *assignment = table->items[i];
                Check *check;
                int r;

                if (assignment->uid == inquiry->request.caller.uid || !string_equal(assignment->owner, inquiry->request.owner))
                        continue;
                r = check_add(inquiry, ACTION_RELEASE_OTHERS, GRANT_PASS, &check);
                if (r >= 0)
                        r = check_add_holder(check, &(Holder) { "assignment", assignment->id, assignment->uid, assignment->owner, assignment->label });
                if (r < 0)
                        return r;
        }
        return 0;
}

static const Assignment *find_assignment(const Inquiry *inquiry, const char *path) {
        uint64_t id;

        return path_parse_number(path, ASSIGND_ASSIGNMENT_PREFIX, &id) >= 0 ? manager_find_assignment(inquiry->manager, id) : NULL;
}

static const Operation *find_operation(const Inquiry *inquiry, const char *path) {
        uint64_t id;

        return path_parse_number(path, ASSIGND_OPERATION_PREFIX, &id) >= 0 ? manager_find_operation(inquiry->manager, id) : NULL;
}

/* Whoever was given devices is told which. */
static bool is_callers_own(const Inquiry *inquiry, const char *path) {
        const Assignment *assignment = find_assignment(inquiry, path);
        const Operation *operation = find_operation(inquiry, path);

        return (assignment && assignment->uid == inquiry->request.caller.uid) || (operation && operation->request.caller.uid == inquiry->request.caller.uid);
}

static int ask_to_see(Inquiry *inquiry, const char *path) {
        Check *check;
        int r;

        if (is_callers_own(inquiry, path))
                return 0;
        r = check_add(inquiry, ACTION_VIEW, GRANT_PASS, &check);
        if (r >= 0)
                r = detail_add(check, "scope", "host");
        if (r >= 0)
                r = check_add(inquiry, ACTION_VIEW, GRANT_SEE_OTHERS, &check);
        return r < 0 ? r : detail_add(check, "scope", "others");
}

static int ask_of_object(Inquiry *inquiry, const char *path) {
        const Assignment *assignment = find_assignment(inquiry, path);

        return assignment ? ask_of_assignment(inquiry, assignment) : ask_plainly(inquiry, inquiry->access->action);
}

static int ask_of_operation(Inquiry *inquiry, const char *path) {
        const Operation *operation = find_operation(inquiry, path);
        Check *check;
        int r;

        if (!operation)
                return ask_plainly(inquiry, inquiry->access->action);
        if (operation->request.caller.uid == inquiry->request.caller.uid)
                return 0;
        r = check_add(inquiry, ACTION_RELEASE_OTHERS, GRANT_PASS, &check);
        if (r >= 0)
                r = check_add_owner(check, operation->request.owner, operation->request.label);
        return r < 0 ? r : detail_add_number(check, "uid", operation->request.caller.uid);
}

static int ask(Inquiry *inquiry, sd_bus_message *call) {
        int r;

        switch (inquiry->access->subject) {
        case SUBJECT_HOST:
                return inquiry->access->action == ACTION_VIEW ? ask_to_see(inquiry, sd_bus_message_get_path(call)) :
                                                               ask_plainly(inquiry, inquiry->access->action);
        case SUBJECT_ASSIGN:
                r = ask_of_targets(inquiry);
                return r < 0 ? r : ask_to_extend(inquiry);
        case SUBJECT_RELEASE:
                return ask_to_release(inquiry);
        case SUBJECT_TARGETS:
        case SUBJECT_TARGET:
                return ask_of_targets(inquiry);
        case SUBJECT_ASSIGNMENT:
                return ask_of_object(inquiry, sd_bus_message_get_path(call));
        case SUBJECT_OPERATION:
                return ask_of_operation(inquiry, sd_bus_message_get_path(call));
        }
        return -EINVAL;
}

/* The arguments before the options, by subject. */
static const char *arguments_of(AccessSubject subject) {
        switch (subject) {
        case SUBJECT_ASSIGN:
                return "sasa{sv}";
        case SUBJECT_RELEASE:
                return "sa{sv}";
        case SUBJECT_TARGETS:
                return "asa{sv}";
        case SUBJECT_TARGET:
                return "ssa{sv}";
        case SUBJECT_HOST:
        case SUBJECT_ASSIGNMENT:
        case SUBJECT_OPERATION:
                break;
        }
        return NULL;
}

static int read_option(Inquiry *inquiry, sd_bus_message *call) {
        const char *name, *contents, *text;
        int r;

        r = sd_bus_message_read_basic(call, 's', &name);
        if (r >= 0)
                r = sd_bus_message_peek_type(call, NULL, &contents);
        if (r < 0)
                return r;

        if (string_equal(name, "label") && string_equal(contents, "s")) {
                r = sd_bus_message_read(call, "v", "s", &text);
                free(TAKE_PTR(inquiry->request.label));
                return r < 0 ? r : string_copy(text, &inquiry->request.label);
        }
        if ((string_equal(name, "override") || string_equal(name, "targets")) && string_equal(contents, "as")) {
                char ***list = string_equal(name, "override") ? &inquiry->request.overrides : &inquiry->request.targets;

                *list = strv_free(*list);
                r = sd_bus_message_enter_container(call, SD_BUS_TYPE_VARIANT, "as");
                if (r >= 0)
                        r = string_array_read(call, name, list, NULL);
                return r < 0 ? r : sd_bus_message_exit_container(call);
        }
        return sd_bus_message_skip(call, "v");
}

static int read_options(Inquiry *inquiry, sd_bus_message *call) {
        int r;

        r = sd_bus_message_enter_container(call, SD_BUS_TYPE_ARRAY, "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(call, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                r = read_option(inquiry, call);
                if (r >= 0)
                        r = sd_bus_message_exit_container(call);
        }
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int read_word(sd_bus_message *call, char **word) {
        const char *text;
        int r;

        r = sd_bus_message_read_basic(call, 's', &text);
        return r < 0 ? r : string_copy(text, word);
}

static int read_arguments(Inquiry *inquiry, sd_bus_message *call) {
        _cleanup_free_ char *target = NULL;
        int r = 0;

        switch (inquiry->access->subject) {
        case SUBJECT_ASSIGN:
                r = read_word(call, &inquiry->request.owner);
                if (r >= 0)
                        r = string_array_read(call, "targets", &inquiry->request.targets, NULL);
                break;
        case SUBJECT_RELEASE:
                r = read_word(call, &inquiry->request.owner);
                break;
        case SUBJECT_TARGETS:
                r = string_array_read(call, "targets", &inquiry->request.targets, NULL);
                break;
        case SUBJECT_TARGET:
                r = read_word(call, &target);
                if (r >= 0)
                        r = strv_append(&inquiry->request.targets, target);
                if (r >= 0)
                        r = read_word(call, &inquiry->request.label);
                break;
        case SUBJECT_HOST:
        case SUBJECT_ASSIGNMENT:
        case SUBJECT_OPERATION:
                return 0;
        }
        return r < 0 ? r : read_options(inquiry, call);
}

int question_new(const Manager *manager, const Access *access, sd_bus_message *call, const Caller *caller, Question *ret) {
        _cleanup_(inquiry_done) Inquiry inquiry = { .manager = manager, .access = access };
        const char *arguments = arguments_of(access->subject);
        int r;

        inquiry.request.verb = access->verb ? verb_from_string(access->verb) : _VERB_INVALID;
        r = caller_copy(caller, &inquiry.request.caller);
        if (r < 0)
                return r;
        inquiry.request.caller.asked = true; /* what the policy leaves to others is no denial here */

        if (arguments)
                r = sd_bus_message_has_signature(call, arguments) ? read_arguments(&inquiry, call) : -EINVAL;
        if (r == -ENOMEM)
                return r;
        /* The method will refuse it for its form, but not for everybody to see. */
        r = r < 0 ? ask_plainly(&inquiry, access->action) : ask(&inquiry, call);
        if (r >= 0)
                r = sd_bus_message_rewind(call, /* complete= */ true);
        if (r < 0)
                return r;

        *ret = inquiry.question;
        inquiry.question = (Question) {};
        return 0;
}
