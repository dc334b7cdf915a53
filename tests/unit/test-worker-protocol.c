/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/strutil.h"
#include "host/worker-protocol.h"

static const PciAddress nic = { .domain = 0x10000, .bus = 0x2, .slot = 0x1f, .function = 7 };

static WorkerRequest valid_request(void) {
        WorkerRequest request;

        ck_assert_int_eq(worker_request_make(WORKER_BIND, 7, &nic, 0, "vfio-pci", &request), 0);
        return request;
}

START_TEST(what_is_made_is_what_is_meant) {
        WorkerRequest request;

        ck_assert_int_eq(worker_request_make(WORKER_SET_OVERRIDE, UINT64_MAX, &nic, 14, "vfio-pci", &request), 0);
        ck_assert_uint_eq(request.version, WORKER_PROTOCOL_VERSION);
        ck_assert_uint_eq(request.action, WORKER_SET_OVERRIDE);
        ck_assert(request.sequence == UINT64_MAX);
        ck_assert_uint_eq(request.domain, 0x10000);
        ck_assert_uint_eq(request.bus, 2);
        ck_assert_uint_eq(request.slot, 0x1f);
        ck_assert_uint_eq(request.function, 7);
        ck_assert_uint_eq(request.group, 14);
        ck_assert_str_eq(request.name, "vfio-pci");
        ck_assert_int_eq(worker_request_check(&request), 0);
}
END_TEST

START_TEST(a_request_carries_no_bytes_of_the_stack) {
        WorkerRequest a, b;

        memset(&a, 0xaa, sizeof(a));
        memset(&b, 0x55, sizeof(b));
        ck_assert_int_eq(worker_request_make(WORKER_OPEN_GROUP, 1, NULL, 3, NULL, &a), 0);
        ck_assert_int_eq(worker_request_make(WORKER_OPEN_GROUP, 1, NULL, 3, NULL, &b), 0);
        ck_assert_mem_eq(&a, &b, sizeof(a));
}
END_TEST

START_TEST(clearing_an_override_needs_no_name) {
        WorkerRequest request;

        ck_assert_int_eq(worker_request_make(WORKER_SET_OVERRIDE, 1, &nic, 0, NULL, &request), 0);
        ck_assert_str_eq(request.name, "");
        ck_assert_int_eq(worker_request_make(WORKER_SET_OVERRIDE, 1, &nic, 0, "", &request), 0);
}
END_TEST

START_TEST(a_node_goes_with_its_access) {
        const NodeAccess access = { .uid = 1000, .gid = 36, .mode = 0660, .context = "a:b:c" };
        WorkerRequest request;

        ck_assert_int_eq(worker_request_make_node(WORKER_SET_DEVICE_NODE, 7, &nic, 14, &access, &request), 0);
        ck_assert_uint_eq(request.action, WORKER_SET_DEVICE_NODE);
        ck_assert_uint_eq(request.function, 7);
        ck_assert_str_eq(NODE_ACCESS_FORMAT(&request.node), "1000:36:0660 a:b:c");
        ck_assert_int_eq(worker_request_check(&request), 0);
}
END_TEST

START_TEST(an_access_that_is_none_is_neither_made_nor_taken) {
        const NodeAccess nobody = { .uid = UINT32_MAX }, no_group = { .gid = UINT32_MAX }, sticky = { .mode = 01600 }, odd = { .context = "a b" };
        const NodeAccess *bad[] = { &nobody, &no_group, &sticky, &odd };
        WorkerRequest request;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ck_assert_int_eq(worker_request_make_node(WORKER_SET_GROUP_NODE, 7, NULL, 14, bad[i], &request), -EINVAL);
                ck_assert_int_eq(worker_request_make(WORKER_SET_GROUP_NODE, 7, NULL, 14, NULL, &request), 0);
                request.node = *bad[i];
                ck_assert_int_eq(worker_request_check(&request), -EBADMSG);
        }
}
END_TEST

START_TEST(an_access_where_no_node_is_meant_is_noticed) {
        WorkerRequest request = valid_request();

        request.node.uid = 1;
        ck_assert_int_eq(worker_request_check(&request), -EBADMSG);
}
END_TEST

static const struct {
        WorkerAction action;
        const char *name;
} bad_names[] = {
        { WORKER_BIND, NULL },
        { WORKER_BIND, "" },
        { WORKER_UNBIND, "" },
        { WORKER_BIND, "." },
        { WORKER_BIND, ".." },
        { WORKER_BIND, "../devices" },
        { WORKER_UNBIND, "vfio/pci" },
        { WORKER_UNBIND, "/" },
        { WORKER_SET_OVERRIDE, "vfio-pci\n" },
        { WORKER_SET_OVERRIDE, "vfio\x1bpci" },
        { WORKER_SET_OVERRIDE, "vfio\x7fpci" },
        { WORKER_SET_OVERRIDE, "\xff\xfe" },
        { WORKER_SET_OVERRIDE, "0123456789012345678901234567890123456789012345678901234567890123" },
        { WORKER_OPEN_CDEV, "vfio-pci" },
        { WORKER_OPEN_IOMMUFD, "x" },
        { WORKER_CHECK_HOLDERS, "qemu" },
        { WORKER_SET_DEVICE_NODE, "vfio0" },
        { WORKER_SET_GROUP_NODE, "14" },
};

START_TEST(a_name_that_is_not_a_plain_driver_name_is_refused) {
        WorkerRequest request, untouched;

        memset(&request, 0x5a, sizeof(request));
        untouched = request;
        ck_assert_int_eq(worker_request_make(bad_names[_i].action, 1, &nic, 0, bad_names[_i].name, &request), -EINVAL);
        ck_assert_mem_eq(&request, &untouched, sizeof(request));
}
END_TEST

START_TEST(the_longest_name_that_fits_is_taken) {
        char name[WORKER_NAME_MAX];
        WorkerRequest request;

        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        ck_assert_int_eq(worker_request_make(WORKER_BIND, 1, &nic, 0, name, &request), 0);
        ck_assert_str_eq(request.name, name);
}
END_TEST

START_TEST(an_address_or_action_out_of_range_is_not_made) {
        const PciAddress bad_slot = { .slot = 0x20 }, bad_function = { .function = 8 };
        WorkerRequest request;

        ck_assert_int_eq(worker_request_make(WORKER_BIND, 1, &bad_slot, 0, "vfio-pci", &request), -EINVAL);
        ck_assert_int_eq(worker_request_make(WORKER_BIND, 1, &bad_function, 0, "vfio-pci", &request), -EINVAL);
        ck_assert_int_eq(worker_request_make(_WORKER_ACTION_MAX, 1, &nic, 0, NULL, &request), -EINVAL);
}
END_TEST

START_TEST(every_field_that_lies_is_noticed) {
        WorkerRequest request;

        request = valid_request();
        request.version++;
        ck_assert_int_eq(worker_request_check(&request), -EBADMSG);

        request = valid_request();
        request.action = UINT32_MAX;
        ck_assert_int_eq(worker_request_check(&request), -EBADMSG);

        request = valid_request();
        request.slot = 0x20;
        ck_assert_int_eq(worker_request_check(&request), -EBADMSG);

        request = valid_request();
        request.function = 8;
        ck_assert_int_eq(worker_request_check(&request), -EBADMSG);

        request = valid_request();
        request.reserved = 1;
        ck_assert_int_eq(worker_request_check(&request), -EBADMSG);

        request = valid_request();
        request.padding = 1;
        ck_assert_int_eq(worker_request_check(&request), -EBADMSG);

        request = valid_request();
        memset(request.name, 'x', sizeof(request.name));
        ck_assert_int_eq(worker_request_check(&request), -EBADMSG);
}
END_TEST

static unsigned random_seed(void) {
        unsigned seed;
        const char *given = getenv("SEED");

        if (given)
                seed = (unsigned) strtoul(given, NULL, 10);
        else
                ck_assert_int_eq(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
        printf("SEED=%u\n", seed);
        return seed;
}

static void assert_is_harmless(const WorkerRequest *request) {
        ck_assert_uint_eq(request->version, WORKER_PROTOCOL_VERSION);
        ck_assert_uint_lt(request->action, _WORKER_ACTION_MAX);
        ck_assert_uint_le(request->slot, 0x1f);
        ck_assert_uint_le(request->function, 7);
        ck_assert(memchr(request->name, '\0', sizeof(request->name)));
        ck_assert(!strchr(request->name, '/'));
        ck_assert_str_ne(request->name, "..");
        for (const char *p = request->name; *p; p++)
                ck_assert_int_ge((unsigned char) *p, 0x20);
}

START_TEST(random_bytes_are_refused_or_harmless) {
        unsigned seed = random_seed(), n_refused = 0;

        for (unsigned i = 0; i < 40000; i++) {
                /* On the heap and exactly as large: a sanitizer sees a byte read too many. */
                _cleanup_free_ WorkerRequest *request = malloc(sizeof(*request));
                unsigned n_changes = (unsigned) rand_r(&seed) % 4;

                ck_assert_ptr_nonnull(request);
                *request = valid_request();
                for (unsigned j = 0; j <= n_changes; j++)
                        ((uint8_t *) request)[(size_t) rand_r(&seed) % sizeof(*request)] = (uint8_t) rand_r(&seed);
                if (i % 8 == 0)
                        for (size_t j = 0; j < sizeof(*request); j++)
                                ((uint8_t *) request)[j] = (uint8_t) rand_r(&seed);

                if (worker_request_check(request) == 0)
                        assert_is_harmless(request);
                else
                        n_refused++;
        }

        ck_assert_uint_gt(n_refused, 5000);
        ck_assert_uint_lt(n_refused, 40000);
}
END_TEST

typedef struct Pair {
        int fds[2];
} Pair;

static void pair_done(Pair *pair) {
        closep(&pair->fds[0]);
        closep(&pair->fds[1]);
}

static Pair new_pair(void) {
        Pair pair;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.fds), 0);
        return pair;
}

static size_t count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        ck_assert_ptr_nonnull(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n;
}

static const WorkerAnswer good_answer = { .version = WORKER_PROTOCOL_VERSION, .sequence = 42, .found = "vfio-pci" };

START_TEST(an_answer_arrives_as_it_was_sent) {
        _cleanup_(pair_done) Pair pair = new_pair();
        WorkerAnswer sent = good_answer, received;
        int fd = -1;

        sent.error = -ENODEV;
        ck_assert_int_eq(worker_answer_send(pair.fds[0], &sent, -EBADF), 0);
        ck_assert_int_eq(worker_answer_receive(pair.fds[1], &received, &fd), 1);
        ck_assert_mem_eq(&sent, &received, sizeof(sent));
        ck_assert_int_eq(fd, -EBADF);
}
END_TEST

START_TEST(an_fd_comes_with_its_answer_and_does_not_cross_exec) {
        _cleanup_(pair_done) Pair pair = new_pair();
        _cleanup_close_ int sent = open("/dev/null", O_RDWR | O_CLOEXEC), received = -EBADF;
        WorkerAnswer answer;

        ck_assert_int_eq(worker_answer_send(pair.fds[0], &good_answer, sent), 0);
        ck_assert_int_eq(worker_answer_receive(pair.fds[1], &answer, &received), 1);
        ck_assert_int_ge(received, 0);
        ck_assert_int_ne(received, sent);
        ck_assert_int_eq(fcntl(received, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(write(received, "x", 1), 1);
}
END_TEST

START_TEST(silence_and_the_end_are_told_apart) {
        _cleanup_(pair_done) Pair pair = new_pair();
        WorkerAnswer answer;
        int fd = 77;

        ck_assert_int_eq(worker_answer_receive(pair.fds[1], &answer, &fd), -EAGAIN);
        closep(&pair.fds[0]);
        ck_assert_int_eq(worker_answer_receive(pair.fds[1], &answer, &fd), 0);
        ck_assert_int_eq(fd, 77);
        ck_assert_int_eq(worker_answer_send(pair.fds[1], &good_answer, -EBADF), -EPIPE);
}
END_TEST

static void assert_refused(const void *message, size_t size) {
        _cleanup_(pair_done) Pair pair = new_pair();
        WorkerAnswer answer;
        int fd = 77;

        ck_assert_int_eq(send(pair.fds[0], message, size, 0), (ssize_t) size);
        ck_assert_int_eq(worker_answer_receive(pair.fds[1], &answer, &fd), -EBADMSG);
        ck_assert_int_eq(fd, 77);
}

START_TEST(an_answer_of_the_wrong_size_or_content_is_refused) {
        struct {
                WorkerAnswer answer;
                char more;
        } longer = { good_answer, 'x' };
        WorkerAnswer answer;

        assert_refused(&good_answer, sizeof(good_answer) - 1);
        assert_refused(&longer, sizeof(good_answer) + 1);

        answer = good_answer;
        answer.version = 0;
        assert_refused(&answer, sizeof(answer));

        answer = good_answer;
        answer.error = 1;
        assert_refused(&answer, sizeof(answer));

        answer = good_answer;
        answer.error = -4096;
        assert_refused(&answer, sizeof(answer));

        answer = good_answer;
        memset(answer.found, 'x', sizeof(answer.found));
        assert_refused(&answer, sizeof(answer));
}
END_TEST

static WorkerAnswer answer_with_holder(void) {
        WorkerAnswer answer = good_answer;

        answer.error = -EBUSY;
        answer.holders.n_items = 1;
        answer.holders.items[0] = (WorkerHolder) { .kind = HOLDS_DEVICE, .pid = 1234, .fd = 22, .bus = 2, .function = 1, .comm = "qemu" };
        return answer;
}

START_TEST(holders_arrive_as_they_were_sent) {
        _cleanup_(pair_done) Pair pair = new_pair();
        WorkerAnswer sent = answer_with_holder(), received;
        int fd = -1;

        ck_assert_int_eq(worker_answer_send(pair.fds[0], &sent, -EBADF), 0);
        ck_assert_int_eq(worker_answer_receive(pair.fds[1], &received, &fd), 1);
        ck_assert_mem_eq(&sent, &received, sizeof(sent));
}
END_TEST

#define ASSERT_LIE_IS_REFUSED(field, value) \
        do { \
                WorkerAnswer _answer = answer_with_holder(); \
\
                _answer.field = (value); \
                assert_refused(&_answer, sizeof(_answer)); \
        } while (0)

START_TEST(a_holder_that_cannot_be_is_refused) {
        WorkerAnswer answer = answer_with_holder();

        ASSERT_LIE_IS_REFUSED(holders.items[0].kind, HOLDS_NODE); /* without a name */
        ASSERT_LIE_IS_REFUSED(holders.items[0].node[0], 'x');     /* a name without a node */
        ASSERT_LIE_IS_REFUSED(holders.n_items, WORKER_HOLDERS_MAX + 1);
        ASSERT_LIE_IS_REFUSED(holders.n_items, 2); /* the second is nothing */
        ASSERT_LIE_IS_REFUSED(holders.n_more, 1);  /* while there is room in the list */
        ASSERT_LIE_IS_REFUSED(holders.items[0].kind, HOLDS_NOTHING);
        ASSERT_LIE_IS_REFUSED(holders.items[0].kind, HOLDS_OTHER_GROUP);
        ASSERT_LIE_IS_REFUSED(holders.items[0].kind, UINT32_MAX);
        ASSERT_LIE_IS_REFUSED(holders.items[0].pid, 0);
        ASSERT_LIE_IS_REFUSED(holders.items[0].pid, UINT32_MAX);
        ASSERT_LIE_IS_REFUSED(holders.items[0].fd, UINT32_MAX);
        ASSERT_LIE_IS_REFUSED(holders.items[0].slot, 0x20);
        ASSERT_LIE_IS_REFUSED(holders.items[0].function, 8);
        ASSERT_LIE_IS_REFUSED(holders.items[0].reserved, 1);
        ASSERT_LIE_IS_REFUSED(holders.items[0].comm[0], '\0');
        ASSERT_LIE_IS_REFUSED(holders.items[0].comm[1], '\x1b');
        ASSERT_LIE_IS_REFUSED(holders.items[0].comm[1], '\xff');
        ASSERT_LIE_IS_REFUSED(padding, 1);

        memset(answer.holders.items[0].comm, 'x', sizeof(answer.holders.items[0].comm));
        assert_refused(&answer, sizeof(answer));
}
END_TEST

static void send_with_fds(int socket_fd, const WorkerAnswer *answer, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(4 * sizeof(int))];
        } control = {};
        struct iovec iov = { .iov_base = (void *) answer, .iov_len = sizeof(*answer) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n_fds * sizeof(int)) };

        ck_assert_uint_le(n_fds, 4);
        control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n_fds * sizeof(int)) };
        memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
        ck_assert_int_eq(sendmsg(socket_fd, &message, 0), sizeof(*answer));
}

START_TEST(fds_that_nobody_asked_for_are_closed) {
        _cleanup_(pair_done) Pair pair = new_pair();
        WorkerAnswer failed = good_answer, answer;
        const int fds[] = { 0, 0, 0, 0 };
        size_t before = count_fds();
        int fd = 77;

        send_with_fds(pair.fds[0], &good_answer, fds, 2);
        ck_assert_int_eq(worker_answer_receive(pair.fds[1], &answer, &fd), -EBADMSG);
        send_with_fds(pair.fds[0], &good_answer, fds, 4);
        ck_assert_int_eq(worker_answer_receive(pair.fds[1], &answer, &fd), -EBADMSG);

        failed.error = -EIO;
        send_with_fds(pair.fds[0], &failed, fds, 1);
        ck_assert_int_eq(worker_answer_receive(pair.fds[1], &answer, &fd), -EBADMSG);

        ck_assert_int_eq(fd, 77);
        ck_assert_uint_eq(count_fds(), before);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("worker-protocol");
        TCase *requests = tcase_create("requests"), *answers = tcase_create("answers");
        SRunner *runner;
        int n_failed;

        tcase_add_test(requests, what_is_made_is_what_is_meant);
        tcase_add_test(requests, a_node_goes_with_its_access);
        tcase_add_test(requests, an_access_that_is_none_is_neither_made_nor_taken);
        tcase_add_test(requests, an_access_where_no_node_is_meant_is_noticed);
        tcase_add_test(requests, a_request_carries_no_bytes_of_the_stack);
        tcase_add_test(requests, clearing_an_override_needs_no_name);
        tcase_add_loop_test(requests, a_name_that_is_not_a_plain_driver_name_is_refused, 0, ELEMENTSOF(bad_names));
        tcase_add_test(requests, the_longest_name_that_fits_is_taken);
        tcase_add_test(requests, an_address_or_action_out_of_range_is_not_made);
        tcase_add_test(requests, every_field_that_lies_is_noticed);
        tcase_add_test(requests, random_bytes_are_refused_or_harmless);
        tcase_set_timeout(requests, 30);
        suite_add_tcase(suite, requests);

        tcase_add_test(answers, an_answer_arrives_as_it_was_sent);
        tcase_add_test(answers, an_fd_comes_with_its_answer_and_does_not_cross_exec);
        tcase_add_test(answers, silence_and_the_end_are_told_apart);
        tcase_add_test(answers, an_answer_of_the_wrong_size_or_content_is_refused);
        tcase_add_test(answers, holders_arrive_as_they_were_sent);
        tcase_add_test(answers, a_holder_that_cannot_be_is_refused);
        tcase_add_test(answers, fds_that_nobody_asked_for_are_closed);
        suite_add_tcase(suite, answers);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
