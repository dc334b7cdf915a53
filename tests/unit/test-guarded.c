/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the host uses stays with the host, unless somebody says otherwise. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "daemon-scene.h"
#include "daemon/host-guard.h"

static void put_file(int fd, const char *path, const char *text) {
        _cleanup_close_ int file = openat(fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ck_assert_int_ge(file, 0);
        ck_assert_int_eq(write(file, text, strlen(text)), (ssize_t) strlen(text));
}

static void put_directory(int fd, const char *path) {
        ck_assert(mkdirat(fd, path, 0755) == 0 || errno == EEXIST);
}

static void put_proc(const char *path, const char *text) {
        _cleanup_close_ int fd = open(daemon_scene.proc_path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        put_directory(fd, "1");
        put_directory(fd, "net");
        put_file(fd, path, text);
}

/* A disk NAME at the function. */
static void add_disk(const char *address, const char *name, const char *number) {
        _cleanup_close_ int device = treegen_open_device(daemon_scene.root, address);
        char path[128], target[128];

        ck_assert_int_ge(device, 0);
        put_directory(device, name);
        (void) snprintf(path, sizeof(path), "%s/dev", name);
        put_file(device, path, number);
        (void) snprintf(path, sizeof(path), "%s/subsystem", name);
        ck_assert_int_eq(symlinkat("../block", device, path), 0);
        put_directory(daemon_scene.root, "class/block");
        (void) snprintf(path, sizeof(path), "class/block/%s", name);
        (void) snprintf(target, sizeof(target), "../../bus/pci/devices/%s/%s", address, name);
        ck_assert_int_eq(symlinkat(target, daemon_scene.root, path), 0);
}

static void mount_disk(void) {
        add_disk("0000:02:00.1", "nvme7n1", "259:7\n");
        put_proc("1/mountinfo", "30 1 259:7 / /srv rw - ext4 /dev/nvme7n1 rw\n");
}

static Request overriding(const char *owner, const char *target, const char *code) {
        Request request = make_request(VERB_ASSIGN, owner, target, NULL);

        ck_assert_int_eq(strv_append(&request.overrides, code), 0);
        return request;
}

START_TEST(a_mounted_disk_of_a_companion_keeps_the_group_with_the_host) {
        _cleanup_free_ char *before = scene_snapshot();

        mount_disk();
        scene_start();
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL), REFUSAL_NOT_VIABLE, "/srv is mounted from nvme7n1 on 0000:02:00.1");
        assert_snapshot(before);
        assert_rows("SELECT outcome, blockers FROM audit_log", "refused|in-use-mount 0000:02:00.1: /srv is mounted from nvme7n1 on 0000:02:00.1: unmount it\n");
        put_proc("1/mountinfo", "");
        (void) assign("vm:a", "0000:02:00.0");
}
END_TEST

START_TEST(a_plan_says_the_same_and_changes_nothing) {
        _cleanup_(plan_result_done) PlanResult result = {};
        _cleanup_(request_done) Request request = make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL);

        mount_disk();
        scene_start();
        ck_assert_int_eq(manager_plan(daemon_scene.manager, &request, &result), 0);
        ck_assert_int_eq(result.refusal.code, REFUSAL_NOT_VIABLE);
        ck_assert_uint_eq(result.refusal.blockers.n_items, 1);
        ck_assert_int_eq(result.refusal.blockers.items[0].code, BLOCKER_IN_USE_MOUNT);
        ck_assert(result.refusal.blockers.items[0].overridable);
        ck_assert_uint_eq(result.plan.n_steps, 0);
}
END_TEST

START_TEST(an_override_goes_past_its_own_code_and_the_audit_keeps_it) {
        Operation *operation;

        mount_disk();
        put_proc("swaps", "Filename\n/dev/nvme7n1 partition 1 0 -2\n");
        scene_start();
        request_refused(overriding("vm:a", "0000:02:00.0", "in-use-mount"), REFUSAL_NOT_VIABLE, "swaps to nvme7n1");
        request_refused(overriding("vm:a", "0000:02:00.0", "in-use-swap"), REFUSAL_NOT_VIABLE, "/srv");
        {
                Request request = overriding("vm:a", "0000:02:00.0", "in-use-mount");

                ck_assert_int_eq(strv_append(&request.overrides, "in-use-swap"), 0);
                operation = begin_request(request);
        }
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
        assert_driver(&mate, "vfio-pci");
        assert_rows("SELECT outcome, blockers FROM audit_log WHERE outcome = 'done'",
                    "done|overridden in-use-mount 0000:02:00.1: /srv is mounted from nvme7n1 on 0000:02:00.1: unmount it; "
                    "overridden in-use-swap 0000:02:00.1: The host swaps to nvme7n1 on 0000:02:00.1: swapoff /dev/nvme7n1\n");
}
END_TEST

START_TEST(an_override_does_not_go_past_what_the_kernel_refuses) {
        _cleanup_close_ int fd = openat(daemon_scene.root, "kernel", O_PATH | O_DIRECTORY | O_CLOEXEC);

        put_directory(fd, "irq");
        put_directory(fd, "irq/0");
        put_file(fd, "irq/0/chip_name", "IO-APIC\n");
        scene_start();
        request_refused(overriding("vm:a", "0000:02:00.0", "unsafe-interrupts"), REFUSAL_NOT_VIABLE, "does not remap interrupts");
}
END_TEST

START_TEST(a_change_of_what_the_kernel_allows_is_seen_at_the_next_reload) {
        _cleanup_close_ int fd = openat(daemon_scene.root, "kernel", O_PATH | O_DIRECTORY | O_CLOEXEC);
        Operation *operation;

        put_directory(fd, "irq");
        put_directory(fd, "irq/0");
        put_file(fd, "irq/0/chip_name", "IO-APIC\n");
        scene_start();
        put_directory(daemon_scene.root, "module");
        put_directory(daemon_scene.root, "module/vfio_iommu_type1");
        put_directory(daemon_scene.root, "module/vfio_iommu_type1/parameters");
        put_file(daemon_scene.root, "module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
        ck_assert_int_eq(manager_reload(daemon_scene.manager, &(Caller) { .bus_name = (char *) ":1.9" }), 0);
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL), REFUSAL_NOT_VIABLE, "allow_unsafe_interrupts");
        operation = begin_request(overriding("vm:a", "0000:02:00.0", "unsafe-interrupts"));
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
}
END_TEST

START_TEST(a_group_whose_domain_translates_nothing_is_told_where_groups_are_listed) {
        _cleanup_(blocker_list_done) BlockerList blockers = {};

        ck_assert_int_eq(treegen_set_group_attribute(daemon_scene.root, NIC_GROUP, "type", "identity\n"), 0);
        scene_start();
        ck_assert_int_eq(host_guard_check_group(daemon_scene.manager, facts_find_group(manager_facts(daemon_scene.manager), NIC_GROUP), &blockers), 0);
        ck_assert_uint_eq(blockers.n_items, 1);
        ck_assert_int_eq(blockers.items[0].code, BLOCKER_IDENTITY_DOMAIN);
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL), REFUSAL_NOT_VIABLE, "iommu=pt");
}
END_TEST

START_TEST(a_device_without_a_reset_is_refused_only_where_one_is_required) {
        ck_assert_int_eq(treegen_set_attribute(daemon_scene.root, "0000:02:00.1", "reset_method", "\n"), 0);
        daemon_scene.config.require_reset = true;
        scene_start();
        request_refused(make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL), REFUSAL_NOT_VIABLE, "no way to reset 0000:02:00.1");
        daemon_scene.config.require_reset = false;
        (void) assign("vm:a", "0000:02:00.0");
}
END_TEST

static Request labelled(const char *owner, const char *target, const char *label) {
        Request request = make_request(VERB_ASSIGN, owner, target, NULL);

        ck_assert_int_eq(string_copy(label, &request.label), 0);
        return request;
}

START_TEST(policy_asks_for_a_reset_of_the_devices_that_match) {
        Operation *operation;
        Request request;

        ck_assert_int_eq(treegen_set_attribute(daemon_scene.root, "0000:02:00.1", "reset_method", "\n"), 0);
        ck_assert_int_eq(treegen_set_attribute(daemon_scene.root, "0000:01:00.0", "reset_method", "\n"), 0);
        scene_write_policy("a.json", "{'version':1,\n'labels':[{'match':{'address':'0000:02:*'},'label':'tenant-a'}],\n'claims':[{'caller':{},'labels':['*']}],\n"
                                     "'reset':[{'match':{'label':'tenant-*'},'reason':'tenants are strangers'}]}");
        scene_start();
        request_refused(labelled("vm:a", "0000:02:00.0", "tenant-a"), REFUSAL_NOT_VIABLE,
                        "no way to reset 0000:02:00.1, and a.json:4 asks for a reset between owners: tenants are strangers");
        assert_rows("SELECT blockers FROM audit_log", "no-reset 0000:02:00.1: The kernel has no way to reset 0000:02:00.1, and a.json:4 asks for a reset between "
                                                      "owners: tenants are strangers\n");
        (void) assign("vm:b", "0000:01:00.0"); /* it cannot be reset either, and nothing asks for it */
        request = labelled("vm:a", "0000:02:00.0", "tenant-a");
        ck_assert_int_eq(strv_append(&request.overrides, "no-reset"), 0);
        operation = begin_request(request);
        await_end(operation);
        ck_assert_int_eq(operation->state, OPERATION_DONE);
}
END_TEST

START_TEST(the_end_of_an_override_is_no_different) {
        _cleanup_free_ char *before = scene_snapshot();
        Operation *operation;

        mount_disk();
        scene_start();
        operation = begin_request(overriding("vm:a", "group:14", "in-use-mount"));
        await_end(operation);
        release("vm:a");
        assert_snapshot(before);
}
END_TEST

DAEMON_SUITE("guarded", a_mounted_disk_of_a_companion_keeps_the_group_with_the_host, a_plan_says_the_same_and_changes_nothing,
             an_override_goes_past_its_own_code_and_the_audit_keeps_it, an_override_does_not_go_past_what_the_kernel_refuses,
             a_change_of_what_the_kernel_allows_is_seen_at_the_next_reload,
             a_group_whose_domain_translates_nothing_is_told_where_groups_are_listed,
             a_device_without_a_reset_is_refused_only_where_one_is_required, policy_asks_for_a_reset_of_the_devices_that_match,
             the_end_of_an_override_is_no_different)
