/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bus/fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/strutil.h"
#include "tests/bus/process.h"

/* Nothing here takes long; what has not come after this never will. */
#define PATIENCE_MSEC 30000

static char *format(const char *text, ...) {
        char *result = NULL;
        va_list ap;

        va_start(ap, text);
        ck_assert_int_ge(string_vformat(&result, text, ap), 0);
        va_end(ap);
        return result;
}

static void write_bus_config(const Fixture *fixture, const char *path) {
        static const char open_rules[] =
                "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>"
                "<allow send_requested_reply=\"true\" send_type=\"method_return\"/>"
                "<allow send_requested_reply=\"true\" send_type=\"error\"/></policy>\n";
        /* As in dbus-daemon's system.conf. */
        static const char system_rules[] =
                "<policy context=\"default\"><allow user=\"*\"/><deny own=\"*\"/><deny send_type=\"method_call\"/><allow send_type=\"signal\"/>"
                "<allow send_requested_reply=\"true\" send_type=\"method_return\"/>"
                "<allow send_requested_reply=\"true\" send_type=\"error\"/>"
                "<allow receive_type=\"method_call\"/><allow receive_type=\"method_return\"/><allow receive_type=\"error\"/>"
                "<allow receive_type=\"signal\"/><allow send_destination=\"org.freedesktop.DBus\"/></policy>\n"
                "<policy user=\"nobody\"><allow own=\"org.freedesktop.PolicyKit1\"/></policy>\n" /* as it is for polkitd, who is not root */
                "<policy user=\"root\"><allow own=\"org.freedesktop.systemd1\"/>"
                "<allow send_destination=\"org.freedesktop.PolicyKit1\"/><allow send_destination=\"org.freedesktop.systemd1\"/>"
                "<allow send_destination=\"org.freedesktop.DBus\" send_interface=\"org.freedesktop.DBus.Monitoring\"/></policy>\n"
                "<include>" SOURCE_ROOT "/systemd/org.assignd1.conf</include>\n";
        _cleanup_fclose_ FILE *f = fopen(path, "we");

        ck_assert_ptr_nonnull(f);
        fprintf(f,
                "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\" "
                "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                "<busconfig><type>system</type><listen>%s</listen><auth>EXTERNAL</auth>\n%s"
                "<limit name=\"max_message_size\">33554432</limit><limit name=\"max_message_unix_fds\">16</limit>"
                "<limit name=\"max_connections_per_user\">1000</limit><limit name=\"max_replies_per_connection\">4000</limit></busconfig>\n",
                fixture->address, fixture->setup.policy == FIXTURE_POLICY_OPEN ? open_rules : system_rules);
}

static void start_bus(Fixture *fixture) {
        _cleanup_free_ char *config = format("%s/bus.conf", fixture->directory), *option = format("--config-file=%s", config);
        _cleanup_free_ char *log = format("%s/bus.log", fixture->directory), *socket_path = format("%s/bus", fixture->directory);
        int fds[2];
        char c;

        write_bus_config(fixture, config);
        ck_assert_int_eq(pipe(fds), 0);
        fixture->bus_pid = process_start(log, fds[1], NULL, (const char *[]){ "dbus-daemon", option, "--nofork", "--nopidfile", "--print-address=3", NULL });
        safe_close(fds[1]);
        ck_assert_msg(read(fds[0], &c, 1) == 1, "the bus does not start: see %s", log);
        safe_close(fds[0]);
        ck_assert_int_eq(chmod(socket_path, 0777), 0);
}

static void bind_notify_socket(Fixture *fixture) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        ck_assert_int_lt(snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", fixture->directory), (int) sizeof(address.sun_path));
        fixture->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(fixture->notify_fd, 0);
        ck_assert_int_eq(bind(fixture->notify_fd, (struct sockaddr *) &address, sizeof(address)), 0);
}

static void make_host(Fixture *fixture) {
        ck_assert_int_ge(treegen_new(&fixture->tree), 0);
        if (fixture->setup.host == FIXTURE_BIG)
                ck_assert_int_ge(treegen_make_big(fixture->tree->fd, 10000, 4000), 0);
        else
                ck_assert_int_ge(treegen_make_lab(fixture->tree->fd), 0);
        ck_assert_int_ge(simk_prepare(fixture->tree->fd, fixture->setup.host == FIXTURE_LAB_IOMMUFD), 0);
}

static void spawn_daemon(Fixture *fixture) {
        _cleanup_free_ char *sysfs = format("--sysfs=%s", fixture->tree->path), *dev = format("--dev=%s/dev", fixture->tree->path),
                            *uevents = format("--uevents=%s/simk/uevents", fixture->tree->path),
                            *state = format("--state-directory=%s", fixture->state),
                            *policy = format("--policy-directory=%s/policy.d", fixture->directory),
                            *authorize = format("--authorize-msec=%u", fixture->setup.authorize_msec > 0 ? fixture->setup.authorize_msec : 180000U),
                            *stuck = format("--stuck-msec=%u", fixture->setup.stuck_msec > 0 ? fixture->setup.stuck_msec : 10000U),
                            *address = format("DBUS_SYSTEM_BUS_ADDRESS=%s", fixture->address),
                            *notify = format("NOTIFY_SOCKET=%s/notify", fixture->directory);

        ck_assert_int_eq(fixture->daemon_pid, 0);
        fixture->daemon_pid = process_start(fixture->log, -EBADF, (const char *[]){ address, notify, "ASSIGND_LOG_LEVEL=7", NULL },
                                            (const char *[]){ ASSIGND_PATH, sysfs, dev, state, policy, uevents, stuck, authorize, "--worker=" SIMK_WORKER_PATH, NULL });
}

/* A notification, or NULL when the daemon has ended. The caller frees it. */
static char *receive_notification(Fixture *fixture) {
        _cleanup_close_ int pid_fd = (int) syscall(SYS_pidfd_open, fixture->daemon_pid, 0);
        struct pollfd polls[] = { { fixture->notify_fd, POLLIN, 0 }, { pid_fd, POLLIN, 0 } };
        char buffer[4096];
        ssize_t n;

        ck_assert_int_ge(pid_fd, 0);
        ck_assert_msg(poll(polls, ELEMENTSOF(polls), PATIENCE_MSEC) > 0, "the daemon says nothing");
        if (polls[0].revents == 0)
                return NULL;

        n = recv(fixture->notify_fd, buffer, sizeof(buffer) - 1, 0);
        ck_assert_int_ge(n, 0);
        buffer[n] = '\0';
        return format("%s", buffer);
}

void fixture_await_notification(Fixture *fixture, const char *line) {
        for (;;) {
                _cleanup_free_ char *text = receive_notification(fixture);

                if (!text) {
                        _cleanup_free_ char *log = fixture_read_log(fixture);

                        ck_abort_msg("the daemon ended before it said %s:\n%s", line, log);
                }
                if (strncmp(text, line, strlen(line)) == 0)
                        return;
        }
}

void fixture_start_daemon(Fixture *fixture) {
        spawn_daemon(fixture);
        fixture_await_notification(fixture, "READY=1");
}

int fixture_start_daemon_in_vain(Fixture *fixture) {
        spawn_daemon(fixture);
        for (;;) {
                _cleanup_free_ char *text = receive_notification(fixture);

                if (!text)
                        break;
                ck_assert_msg(strncmp(text, "READY=1", strlen("READY=1")) != 0, "the daemon is ready, which it should not be");
        }
        return fixture_end_daemon(fixture, 0);
}

int fixture_end_daemon(Fixture *fixture, int signal_number) {
        return process_end(&fixture->daemon_pid, signal_number, PATIENCE_MSEC);
}

void fixture_end_bus(Fixture *fixture) {
        fixture->bus = sd_bus_close_unref(fixture->bus);
        (void) process_end(&fixture->bus_pid, SIGTERM, PATIENCE_MSEC);
}

char *fixture_read_log(const Fixture *fixture) {
        char *text = NULL;

        return attribute_read_alloc_at(AT_FDCWD, fixture->log, &text) >= 0 ? text : format("(no log)");
}

sd_bus *fixture_connect(const Fixture *fixture) {
        sd_bus *bus = NULL;

        ck_assert_int_ge(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_address(bus, fixture->address), 0);
        ck_assert_int_ge(sd_bus_set_bus_client(bus, true), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
        return bus;
}

sd_bus *fixture_connect_as_nobody(const Fixture *fixture) {
        const uid_t nobody = 65534;
        sd_bus *bus;

        ck_assert_int_eq(setegid(nobody), 0);
        ck_assert_int_eq(seteuid(nobody), 0);
        bus = fixture_connect(fixture); /* connects at once; who the peer is, is settled by that */
        ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(setegid(0), 0);
        return bus;
}

Fixture *fixture_new(const FixtureSetup *setup) {
        Fixture *fixture = calloc(1, sizeof(*fixture));

        ck_assert_ptr_nonnull(fixture);
        fixture->setup = *setup;
        fixture->directory = format("%s/bus-XXXXXX", getenv("TMPDIR") ?: "/tmp");
        ck_assert_ptr_nonnull(mkdtemp(fixture->directory));
        ck_assert_int_eq(chmod(fixture->directory, 0711), 0);
        fixture->address = format("unix:path=%s/bus", fixture->directory);
        fixture->state = format("%s/state", fixture->directory);
        fixture->log = format("%s/log", fixture->directory);
        ck_assert_int_eq(mkdir(fixture->state, 0700), 0);

        make_host(fixture);
        bind_notify_socket(fixture);
        start_bus(fixture);
        fixture->bus = fixture_connect(fixture);
        if (!setup->no_daemon)
                fixture_start_daemon(fixture);
        return fixture;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
        return remove(path);
}

/* Leaks and other things that sanitizers say at the end are failures too. */
static void end_daemon_well(Fixture *fixture) {
        if (fixture_end_daemon(fixture, SIGTERM) != 0) {
                _cleanup_free_ char *log = fixture_read_log(fixture);

                fputs(log, stderr);
                ck_abort_msg("the daemon ended badly");
        }
}

Fixture *fixture_free(Fixture *fixture) {
        if (!fixture)
                return NULL;

        if (fixture->daemon_pid > 0)
                end_daemon_well(fixture);
        for (size_t i = 0; i < fixture->n_signals; i++)
                sd_bus_message_unref(fixture->signals[i]);
        free(fixture->signals);
        if (fixture->bus_pid > 0)
                fixture_end_bus(fixture);
        safe_close(fixture->notify_fd);
        treegen_free(fixture->tree);
        (void) nftw(fixture->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        free(fixture->directory);
        free(fixture->address);
        free(fixture->state);
        free(fixture->log);
        free(fixture);
        return NULL;
}

void fixture_process(Fixture *fixture) {
        int r = sd_bus_process(fixture->bus, NULL);

        ck_assert_msg(r >= 0, "the connection to the bus broke: %s", strerror(-r));
        if (r > 0)
                return;
        r = sd_bus_wait(fixture->bus, PATIENCE_MSEC * USEC_PER_MSEC);
        ck_assert_msg(r >= 0, "the connection to the bus broke: %s", strerror(-r));
        if (r == 0) {
                _cleanup_free_ char *log = fixture_read_log(fixture);

                ck_abort_msg("nothing comes over the bus any more; the daemon said:\n%s", log);
        }
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        FixtureCall *call = userdata;

        call->answer = sd_bus_message_ref(m);
        return 1;
}

static void begin(Fixture *fixture, FixtureCall *call, const char *path, const char *interface, const char *member, const char *types, va_list ap) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        *call = (FixtureCall){ .fixture = fixture };
        ck_assert_int_ge(sd_bus_message_new_method_call(fixture->bus, &m, ASSIGND_BUS_NAME, path, interface, member), 0);
        ck_assert_int_ge(sd_bus_message_appendv(m, types, ap), 0);
        ck_assert_int_ge(sd_bus_call_async(fixture->bus, &call->slot, m, on_answer, call, UINT64_MAX), 0);
}

void fixture_call_begin(Fixture *fixture, FixtureCall *call, const char *path, const char *interface, const char *member, const char *types, ...) {
        va_list ap;

        va_start(ap, types);
        begin(fixture, call, path, interface, member, types, ap);
        va_end(ap);
}

sd_bus_message *fixture_call_end(FixtureCall *call) {
        while (!call->answer)
                fixture_process(call->fixture);
        call->slot = sd_bus_slot_unref(call->slot);
        return TAKE_PTR(call->answer);
}

sd_bus_message *fixture_call(Fixture *fixture, const char *path, const char *interface, const char *member, const char *types, ...) {
        FixtureCall call;
        va_list ap;

        va_start(ap, types);
        begin(fixture, &call, path, interface, member, types, ap);
        va_end(ap);
        return fixture_call_end(&call);
}

sd_bus_message *fixture_call_well(Fixture *fixture, const char *path, const char *interface, const char *member, const char *types, ...) {
        sd_bus_message *answer;
        const sd_bus_error *error;
        FixtureCall call;
        va_list ap;

        va_start(ap, types);
        begin(fixture, &call, path, interface, member, types, ap);
        va_end(ap);
        answer = fixture_call_end(&call);
        error = sd_bus_message_get_error(answer);
        if (error) {
                _cleanup_free_ char *log = fixture_read_log(fixture);

                ck_abort_msg("%s at %s: %s: %s\n%s", member, path, error->name, error->message, log);
        }
        return answer;
}

sd_bus_message *fixture_call_in_vain(Fixture *fixture, const char *name, const char *path, const char *interface, const char *member,
                                     const char *types, ...) {
        sd_bus_message *answer;
        const sd_bus_error *error;
        FixtureCall call;
        va_list ap;

        va_start(ap, types);
        begin(fixture, &call, path, interface, member, types, ap);
        va_end(ap);
        answer = fixture_call_end(&call);
        error = sd_bus_message_get_error(answer);
        ck_assert_msg(error, "%s at %s should fail with %s, and does not", member, path, name);
        ck_assert_msg(string_equal(error->name, name), "%s at %s should fail with %s, but fails with %s: %s", member, path, name, error->name,
                      error->message);
        ck_assert_msg(error->message && *error->message, "%s has no sentence", error->name);
        return answer;
}

const char *fixture_error_text(sd_bus_message *answer) {
        const sd_bus_error *error = sd_bus_message_get_error(answer);

        ck_assert_ptr_nonnull(error);
        return error->message;
}

void fixture_settle(Fixture *fixture) {
        sd_bus_message_unref(fixture_call_well(fixture, ASSIGND_MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping", ""));
}

static sd_bus_message *get_property(Fixture *fixture, const char *path, const char *interface, const char *property, const char *type) {
        sd_bus_message *answer = fixture_call_well(fixture, path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, property);

        ck_assert_int_ge(sd_bus_message_enter_container(answer, SD_BUS_TYPE_VARIANT, type), 0);
        return answer;
}

char *fixture_get_text(Fixture *fixture, const char *path, const char *interface, const char *property) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        const char *text;
        char type;

        answer = get_property(fixture, path, interface, property, NULL);
        ck_assert_int_ge(sd_bus_message_peek_type(answer, &type, NULL), 0);
        ck_assert_int_ge(sd_bus_message_read_basic(answer, type, &text), 0);
        return format("%s", text);
}

unsigned fixture_get_u32(Fixture *fixture, const char *path, const char *interface, const char *property) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = get_property(fixture, path, interface, property, "u");
        uint32_t value;

        ck_assert_int_ge(sd_bus_message_read_basic(answer, 'u', &value), 0);
        return value;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fixture *fixture = userdata;

        fixture->signals = reallocarray(fixture->signals, fixture->n_signals + 1, sizeof(*fixture->signals));
        ck_assert_ptr_nonnull(fixture->signals);
        fixture->signals[fixture->n_signals++] = sd_bus_message_ref(m);
        return 0;
}

void fixture_listen(Fixture *fixture) {
        ck_assert_int_ge(sd_bus_match_signal(fixture->bus, NULL, ASSIGND_BUS_NAME, NULL, NULL, NULL, on_signal, fixture), 0);
}

static bool signal_is(sd_bus_message *m, const char *member, const char *path) {
        const char *subject = NULL;

        if (!string_equal(sd_bus_message_get_member(m), member))
                return false;
        if (!path || string_equal(sd_bus_message_get_path(m), path))
                return true;

        ck_assert_int_ge(sd_bus_message_rewind(m, true), 0);
        if (sd_bus_message_get_signature(m, true)[0] != 'o')
                return false;
        ck_assert_int_ge(sd_bus_message_read_basic(m, 'o', &subject), 0);
        ck_assert_int_ge(sd_bus_message_rewind(m, true), 0);
        return string_equal(subject, path);
}

sd_bus_message *fixture_await_signal(Fixture *fixture, const char *member, const char *path) {
        for (;;) {
                while (fixture->next_signal < fixture->n_signals) {
                        sd_bus_message *m = fixture->signals[fixture->next_signal++];

                        if (signal_is(m, member, path)) {
                                ck_assert_int_ge(sd_bus_message_rewind(m, true), 0);
                                return m;
                        }
                }
                fixture_process(fixture);
        }
}

unsigned fixture_count_signals(Fixture *fixture, const char *member, const char *path) {
        unsigned n = 0;

        fixture_settle(fixture);
        for (size_t i = 0; i < fixture->n_signals; i++)
                n += signal_is(fixture->signals[i], member, path);
        return n;
}

char *fixture_assign(Fixture *fixture, const char *owner, const char *target) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        const char *path;

        answer = fixture_call_well(fixture, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, "Assign", "sasa{sv}", owner, 1, target, 0);
        ck_assert_int_ge(sd_bus_message_read(answer, "o", &path), 0);
        return format("%s", path);
}

/* Where everything of a run is made; NULL: nowhere. */
static char *make_run_directory(void) {
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (string_format(&path, "%s/assignd-test-XXXXXX", getenv("TMPDIR") ?: (stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp")) < 0)
                return NULL;
        if (!mkdtemp(path) || chmod(path, 0711) < 0 || setenv("TMPDIR", path, true) < 0)
                return NULL;
        return TAKE_PTR(path);
}

int fixture_run_suite(const char *name, const TTest *const tests[], size_t n_tests) {
        _cleanup_free_ char *directory = NULL;
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);
        SRunner *runner = srunner_create(suite);
        int n_failed;

        if (geteuid() != 0) {
                printf("%s: assignd speaks to root only, so this needs root\n", name);
                return 77; /* what meson takes for a skip */
        }
        directory = make_run_directory();
        if (!directory) {
                perror(name);
                return EXIT_FAILURE;
        }
        tcase_set_timeout(tcase, 120);
        suite_add_tcase(suite, tcase);
        for (size_t i = 0; i < n_tests; i++)
                tcase_add_test(tcase, tests[i]);

        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        (void) nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
