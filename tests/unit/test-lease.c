/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Leases: their end is the end of the assignment, whichever daemon runs by then, or none. */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/strutil.h"
#include "daemon/lease.h"
#include "daemon-scene.h"

static Manager *manager(void) {
        return daemon_scene.manager;
}

static GroupState state_of(uint32_t group) {
        return manager_group_state(manager(), group);
}

static Operation *begin_leased(int ends[static 2]) {
        _cleanup_(refusal_done) Refusal refusal = {};
        _cleanup_(request_done) Request request = make_request(VERB_ASSIGN, "vm:a", "0000:02:00.0", NULL);
        Operation *operation = NULL;

        ck_assert_int_eq(lease_open_ends(manager(), &ends[0], &ends[1]), 0);
        ck_assert_int_eq(manager_assign(manager(), &request, &ends[0], &refusal, &operation), 0);
        ck_assert_int_eq(ends[0], -EBADF);
        return operation;
}

/* What is in the directory of leases, a name a line in no order. */
static char *list_leases(void) {
        _cleanup_free_ char *path = NULL;
        char *names = NULL;
        size_t size;
        FILE *f = open_memstream(&names, &size);
        DIR *directory;

        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(string_format(&path, "%s/leases", daemon_scene.state_directory), 0);
        directory = opendir(path);
        ck_assert_ptr_nonnull(directory);
        for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
                if (entry->d_name[0] != '.')
                        (void) fprintf(f, "%s\n", entry->d_name);
        (void) closedir(directory);
        (void) fclose(f);
        return names;
}

static void assert_leases(const char *names) {
        _cleanup_free_ char *found = list_leases();

        ck_assert_str_eq(found, names);
}

static int open_leases(void) {
        _cleanup_close_ int state = open(daemon_scene.state_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd = openat(state, "leases", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

START_TEST(the_end_of_a_lease_is_the_end_of_its_assignment) {
        _cleanup_free_ char *before = scene_snapshot();
        int ends[2];

        scene_start();
        await_end(begin_leased(ends));
        loop_drain();
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        assert_rows("SELECT DISTINCT lease FROM current_assignments", "yes\n");
        safe_close(ends[1]);
        AWAIT(count_heard("assignment-removed vm:a") > 0);
        assert_snapshot(before);
        assert_rows("SELECT verb, outcome, caller FROM audit_log ORDER BY id DESC LIMIT 1", "release|done|assignd\n");
}
END_TEST

START_TEST(a_lease_that_ends_before_the_assignment_is_there_leaves_nothing) {
        _cleanup_free_ char *before = scene_snapshot();
        int ends[2];

        scene_start();
        (void) begin_leased(ends);
        safe_close(ends[1]);
        AWAIT(count_heard("assignment-removed vm:a") > 0);
        assert_snapshot(before);
}
END_TEST

START_TEST(a_lease_that_ends_while_devices_are_opened_waits_for_that) {
        _cleanup_free_ char *before = scene_snapshot();
        _cleanup_close_ int hang = -EBADF;
        Operation *opening;
        int ends[2];

        scene_start();
        await_end(begin_leased(ends));
        hang = simk_hang(daemon_scene.root, SIMK_OPEN_CDEV, &nic, 1);
        opening = begin_open(manager_group_assignment(manager(), NIC_GROUP)->id);
        await_trace("begin open-iommufd");
        safe_close(ends[1]);
        loop_drain();
        ck_assert(!operation_has_ended(opening));
        hang = safe_close(hang);
        AWAIT(count_heard("assignment-removed vm:a") > 0);
        assert_snapshot(before);
}
END_TEST

START_TEST(a_released_assignment_takes_its_lease_along) {
        int ends[2];

        scene_start();
        await_end(begin_leased(ends));
        release("vm:a");
        ck_assert_uint_eq(manager()->n_leases, 0);
        (void) assign("vm:b", "0000:02:00.0");
        safe_close(ends[1]);
        loop_drain();
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
}
END_TEST

START_TEST(a_lease_whose_release_fails_is_not_tried_again_at_once) {
        int ends[2];

        scene_start();
        await_end(begin_leased(ends));
        ck_assert_int_eq(simk_fail(daemon_scene.root, SIMK_UNBIND, &nic, 1, EIO), 0);
        safe_close(ends[1]);
        AWAIT(count_heard("operation-removed 2 failed") > 0);
        loop_drain();
        assert_rows("SELECT count(*) FROM operations", "2\n");
        release("vm:a");
}
END_TEST

/* A daemon after the one that made it. */

START_TEST(a_lease_outlives_its_daemon) {
        _cleanup_free_ char *before = scene_snapshot();
        int ends[2];

        scene_start();
        await_end(begin_leased(ends));
        for (unsigned i = 0; i < 3; i++) {
                scene_stop();
                scene_start();
                loop_drain();
                ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
                ck_assert_uint_eq(manager()->n_leases, 1);
                assert_leases("1\n");
        }
        safe_close(ends[1]);
        AWAIT(count_heard("assignment-removed vm:a") > 0);
        assert_snapshot(before);
        assert_leases("");
        assert_rows("SELECT verb, outcome, caller FROM audit_log ORDER BY id DESC LIMIT 1", "release|done|assignd\n");
}
END_TEST

START_TEST(a_client_that_left_while_no_daemon_ran_is_noticed) {
        _cleanup_free_ char *before = scene_snapshot();
        int ends[2];

        scene_start();
        await_end(begin_leased(ends));
        scene_stop();
        safe_close(ends[1]);
        scene_start();
        AWAIT(count_heard("assignment-removed vm:a") > 0);
        assert_snapshot(before);
        assert_leases("");
}
END_TEST

/* Nothing says that a client has not written, and what it has written does not make it live longer. */
START_TEST(what_a_client_writes_into_its_lease_changes_nothing) {
        int ends[2];

        ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
        scene_start();
        await_end(begin_leased(ends));
        ck_assert_int_eq(write(ends[1], "hello", 5), 5);
        loop_drain();
        scene_stop();
        ck_assert_int_eq(write(ends[1], "hello", 5), -1); /* nobody has the other end */
        scene_start();
        ck_assert_int_eq(write(ends[1], "hello", 5), 5);
        loop_drain();
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        safe_close(ends[1]);
        AWAIT(count_heard("assignment-removed vm:a") > 0);
}
END_TEST

START_TEST(a_lease_that_lies_nowhere_is_no_end) {
        _cleanup_close_ int leases = -EBADF;
        int ends[2];

        scene_start();
        await_end(begin_leased(ends));
        scene_stop();
        leases = open_leases();
        ck_assert_int_eq(unlinkat(leases, "1", 0), 0);
        safe_close(ends[1]);
        scene_start();
        loop_drain();
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        ck_assert_uint_eq(manager()->n_leases, 0);
        release("vm:a");
}
END_TEST

START_TEST(what_is_no_fifo_is_no_end_either) {
        _cleanup_close_ int leases = -EBADF, file = -EBADF;
        int ends[2];

        scene_start();
        await_end(begin_leased(ends));
        scene_stop();
        leases = open_leases();
        ck_assert_int_eq(unlinkat(leases, "1", 0), 0);
        file = openat(leases, "1", O_WRONLY | O_CREAT | O_EXCL, 0600);
        ck_assert_int_ge(file, 0);
        scene_start();
        loop_drain();
        ck_assert_uint_eq(state_of(NIC_GROUP), GROUP_STATE_ASSIGNED);
        ck_assert_uint_eq(manager()->n_leases, 0);
        safe_close(ends[1]);
}
END_TEST

START_TEST(leases_of_nobody_are_removed_at_the_start) {
        static const char *const names[] = { "7", "new-42", "making", "0", "18446744073709551615" };
        _cleanup_close_ int leases = -EBADF;
        int ends[2];

        scene_start();
        (void) assign("vm:b", "0000:01:00.0"); /* without a lease: what has its id as a name is nobody's */
        await_end(begin_leased(ends));
        scene_stop();
        leases = open_leases();
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                ck_assert_int_eq(mkfifoat(leases, names[i], 0600), 0);
        ck_assert_int_eq(mkfifoat(leases, "1", 0600), 0);
        scene_start();
        assert_leases("2\n");
        loop_drain();
        ck_assert_uint_eq(manager()->assignments.n_items, 2);
        safe_close(ends[1]);
}
END_TEST

START_TEST(no_directory_for_leases_stops_leases_only) {
        _cleanup_free_ char *path = NULL;
        int fd, ends[2];

        ck_assert_int_ge(string_format(&path, "%s/leases", daemon_scene.state_directory), 0);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        safe_close(fd);
        scene_start();
        ck_assert_int_eq(lease_open_ends(manager(), &ends[0], &ends[1]), -ENOTDIR);
        (void) assign("vm:a", "0000:02:00.0");
        release("vm:a");
}
END_TEST

START_TEST(a_lease_that_came_to_nothing_is_not_left_lying_about) {
        int ends[2];

        scene_start();
        ck_assert_int_eq(lease_open_ends(manager(), &ends[0], &ends[1]), 0);
        lease_discard_end(manager(), &ends[0]);
        ck_assert_int_eq(ends[0], -EBADF);
        lease_discard_end(manager(), &ends[0]);
        assert_leases("");
        safe_close(ends[1]);
}
END_TEST

START_TEST(nobody_else_gets_at_a_lease) {
        _cleanup_close_ int leases = -EBADF;
        struct stat st;
        int ends[2];

        scene_start();
        await_end(begin_leased(ends));
        leases = open_leases();
        ck_assert_int_eq(fstat(leases, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0700);
        ck_assert_int_eq(fstatat(leases, "1", &st, AT_SYMLINK_NOFOLLOW), 0);
        ck_assert(S_ISFIFO(st.st_mode));
        ck_assert_uint_eq(st.st_mode & 0077, 0);
        safe_close(ends[1]);
}
END_TEST

/* A daemon of its own process, which makes a leased assignment and is killed after that many turns of its loop; its client never
 * gets the fd, since the answer goes out later. Returns false if it came to the end before. */
static bool killed_while_assigning(unsigned n_turns) {
        int status, ends[2];
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                Operation *operation;

                /* An event loop does not survive a fork. */
                ck_assert_int_ge(sd_event_new(&daemon_scene.event), 0);
                scene_start();
                operation = begin_leased(ends);
                for (unsigned i = 0; i < n_turns; i++) {
                        if (operation_has_ended(operation))
                                _exit(0);
                        ck_assert_int_ge(sd_event_run(daemon_scene.event, UINT64_MAX), 0);
                }
                (void) raise(SIGKILL);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "the daemon to be killed failed");
        return WIFSIGNALED(status);
}

START_TEST(an_assignment_whose_client_never_got_its_lease_ends_whenever_the_daemon_was_killed) {
        _cleanup_free_ char *before = scene_snapshot();
        unsigned n = 0;
        bool killed;

        do {
                killed = killed_while_assigning(n);
                scene_start();
                AWAIT(manager()->assignments.n_items == 0 && manager()->queue.n_running == 0);
                assert_snapshot(before);
                assert_leases("");
                assert_rows("SELECT count(*) FROM current_assignments", "0\n");
                scene_stop();
                n++;
        } while (killed);
        ck_assert_uint_ge(n, 6);
}
END_TEST

START_TEST(after_a_reboot_no_lease_is_left) {
        int ends[2];

        scene_start();
        await_end(begin_leased(ends));
        scene_stop();
        scene_set_boot_id("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\n");
        scene_start();
        ck_assert_uint_eq(manager()->assignments.n_items, 0);
        assert_leases("");
        safe_close(ends[1]);
}
END_TEST

DAEMON_SUITE("lease",
             the_end_of_a_lease_is_the_end_of_its_assignment,
             a_lease_that_ends_before_the_assignment_is_there_leaves_nothing,
             a_lease_that_ends_while_devices_are_opened_waits_for_that,
             a_released_assignment_takes_its_lease_along,
             a_lease_whose_release_fails_is_not_tried_again_at_once,
             a_lease_outlives_its_daemon,
             a_client_that_left_while_no_daemon_ran_is_noticed,
             what_a_client_writes_into_its_lease_changes_nothing,
             a_lease_that_lies_nowhere_is_no_end,
             what_is_no_fifo_is_no_end_either,
             leases_of_nobody_are_removed_at_the_start,
             no_directory_for_leases_stops_leases_only,
             a_lease_that_came_to_nothing_is_not_left_lying_about,
             nobody_else_gets_at_a_lease,
             an_assignment_whose_client_never_got_its_lease_ends_whenever_the_daemon_was_killed,
             after_a_reboot_no_lease_is_left)
