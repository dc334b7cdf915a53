/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cli/harness.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/strutil.h"

static const char bus_config[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\""
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow send_destination=\"*\"/>"
        "<allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>\n";

static void bus_exec(const Stage *stage, int address_fd) {
        char config[128], print[64], log[128];
        int fd;

        (void) snprintf(log, sizeof(log), "%s/bus.log", stage->directory);
        fd = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        (void) dup2(fd, STDERR_FILENO); /* it complains about limits that it cannot raise */
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) snprintf(config, sizeof(config), "--config-file=%s/bus.conf", stage->directory);
        (void) snprintf(print, sizeof(print), "--print-address=%d", address_fd);
        (void) fcntl(address_fd, F_SETFD, 0);
        (void) execlp("dbus-daemon", "dbus-daemon", config, "--nofork", "--nopidfile", print, NULL);
        _exit(EXIT_FAILURE);
}

static void bus_start(Stage *stage) {
        char path[128];
        int pipe_fds[2];
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/bus.conf", stage->directory);
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        (void) fprintf(f, bus_config, stage->directory);
        ck_assert_int_eq(fclose(f), 0);

        ck_assert_int_ge(pipe2(pipe_fds, O_CLOEXEC), 0);
        stage->bus = fork();
        ck_assert_int_ge(stage->bus, 0);
        if (stage->bus == 0)
                bus_exec(stage, pipe_fds[1]);
        (void) close(pipe_fds[1]);
        stage->address = line_read(pipe_fds[0]);
        ck_assert_msg(stage->address, "dbus-daemon did not start");
        (void) close(pipe_fds[0]);
}

Stage *stage_new(const FakeScript *script) {
        Stage *stage = calloc(1, sizeof(Stage));
        int log;

        ck_assert_ptr_nonnull(stage);
        (void) snprintf(stage->directory, sizeof(stage->directory), "/tmp/assign-ctl-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(stage->directory));
        bus_start(stage);
        if (script) {
                stage->fake = fake_start(stage->address, script, &log);
                stage->log = fdopen(log, "re");
                ck_assert_ptr_nonnull(stage->log);
        }
        return stage;
}

static int entry_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

static void process_end(pid_t pid) {
        if (pid <= 0)
                return;
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

Stage *stage_free(Stage *stage) {
        if (!stage)
                return NULL;

        process_end(stage->fake);
        process_end(stage->bus);
        if (stage->log)
                (void) fclose(stage->log);
        (void) nftw(stage->directory, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
        free(stage->address);
        free(stage);
        return NULL;
}

char *stage_await(Stage *stage, const char *prefix) {
        char *line = NULL;
        size_t size = 0;
        ssize_t n;

        while ((n = getline(&line, &size, stage->log)) > 0) {
                line[n - 1] = '\0';
                if (strncmp(line, prefix, strlen(prefix)) == 0)
                        return line;
        }
        free(line);
        return NULL;
}

static void become_nobody(void) {
        const unsigned nobody = 65534;

        if (setgroups(0, NULL) < 0 || setresgid(nobody, nobody, nobody) < 0 || setresuid(nobody, nobody, nobody) < 0)
                _exit(EXIT_FAILURE);
}

static void ctl_exec(Stage *stage, const char *const *arguments) {
        const char *argv[64] = { "assign-ctl" };
        int program = open(ASSIGN_CTL, O_PATH | O_CLOEXEC); /* nobody may not see the directory that it is in */
        size_t n = 1;

        for (; arguments[n - 1]; n++)
                argv[n] = arguments[n - 1];
        argv[n] = NULL;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", stage->address, 1);
        (void) setenv("TZ", "UTC", 1);
        (void) unsetenv("ASSIGND_FDS");
        (void) close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC); /* libcheck's */
        if (stage->as_nobody)
                become_nobody();
        (void) execveat(program, "", (char *const *) argv, environ, AT_EMPTY_PATH);
        _exit(EXIT_FAILURE);
}

Process ctl_start(Stage *stage, const char *const *arguments) {
        int in[2], out[2], err[2];
        Process process;

        ck_assert_msg(ASSIGN_CTL, "ASSIGN_CTL is not set");
        ck_assert_int_ge(pipe2(in, O_CLOEXEC), 0);
        ck_assert_int_ge(pipe2(out, O_CLOEXEC), 0);
        ck_assert_int_ge(pipe2(err, O_CLOEXEC), 0);
        process = (Process) { .pid = fork(), .in = in[1], .out = out[0], .err = err[0] };
        ck_assert_int_ge(process.pid, 0);
        if (process.pid == 0) {
                (void) dup2(in[0], STDIN_FILENO);
                (void) dup2(out[1], STDOUT_FILENO);
                (void) dup2(err[1], STDERR_FILENO);
                ctl_exec(stage, arguments);
        }

        (void) close(in[0]);
        (void) close(out[1]);
        (void) close(err[1]);
        return process;
}

char *line_read(int fd) {
        char *line = NULL, c;
        size_t size, n = 0;
        FILE *f = open_memstream(&line, &size);

        ck_assert_ptr_nonnull(f);
        while (read(fd, &c, 1) == 1 && c != '\n') {
                (void) fputc(c, f);
                n++;
        }
        (void) fclose(f);
        if (n == 0) {
                free(line);
                return NULL;
        }
        return line;
}

/* Both streams up to their ends. */
static void streams_read(Process *process, FILE *out, FILE *err) {
        struct pollfd fds[] = { { .fd = process->out, .events = POLLIN }, { .fd = process->err, .events = POLLIN } };
        FILE *const files[] = { out, err };

        while (fds[0].fd >= 0 || fds[1].fd >= 0) {
                ck_assert_int_gt(poll(fds, 2, -1), 0);
                for (size_t i = 0; i < 2; i++) {
                        char buffer[4096];
                        ssize_t n;

                        if (fds[i].fd < 0 || fds[i].revents == 0)
                                continue;
                        n = read(fds[i].fd, buffer, sizeof(buffer));
                        if (n > 0)
                                (void) fwrite(buffer, 1, (size_t) n, files[i]);
                        else
                                fds[i].fd = -1;
                }
        }
}

Result ctl_finish(Process *process) {
        Result result = {};
        size_t out_size, err_size;
        FILE *out = open_memstream(&result.out, &out_size), *err = open_memstream(&result.err, &err_size);
        int status;

        process->in = safe_close(process->in);
        streams_read(process, out, err);
        (void) fclose(out);
        (void) fclose(err);
        process->out = safe_close(process->out);
        process->err = safe_close(process->err);

        ck_assert_int_eq(waitpid(process->pid, &status, 0), process->pid);
        result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return result;
}

void result_done(Result *result) {
        free(result->out);
        free(result->err);
        *result = (Result) {};
}

Result stage_run(Stage *stage, const char *const *arguments) {
        Process process = ctl_start(stage, arguments);

        return ctl_finish(&process);
}

json_t *result_json(const Result *result) {
        json_error_t error;
        json_t *json = json_loads(result->out, JSON_REJECT_DUPLICATES, &error);

        ck_assert_msg(json && json_is_object(json), "not a JSON object (%s): %s", error.text, result->out);
        return json;
}
