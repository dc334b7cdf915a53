/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Runs a file of steps on a kernel through a worker, and compares what each says with what the file expects. The same files
 * are run on the simulated kernel and on the real one, so that the one does not tell tales about the other.
 *
 *   ACTION ADDRESS NAME = RESULT [FOUND]   one step: unbind 0000:02:00.0 e1000e = 0 -
 *                                          NAME and FOUND: "-" is none. RESULT: 0 or an errno's name
 *                                          check-holders finds what this process holds: "group", "device", "perhaps"
 *   start ACTION ADDRESS NAME              a step whose answer is not waited for ...
 *   pending                                ... which has not come yet ...
 *   finish = RESULT [FOUND]                ... and which is waited for now
 *   await-driver ADDRESS NAME              until the device's driver link says so
 *   close ACTION ADDRESS                   closes what that step opened
 *   consume BACKEND                        the consumer's proofs on the open fds (skipped without a consumer)
 *
 * Steps of a group name a device of it. Empty lines and lines that start with "#" are passed over. */

#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <string.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/strutil.h"
#include "host/worker.h"
#include "tests/simk/simk.h"
#include "tests/tree/treegen.h"

#define WORDS_MAX 8
#define OPENED_MAX 16
#define ANSWER_USEC (120 * USEC_PER_SEC)
#define RETRY_USEC (10 * USEC_PER_MSEC)

typedef struct Opened {
        WorkerAction action;
        PciAddress address;
        uint32_t group;
        int fd;
} Opened;

typedef struct Run {
        sd_event *event;
        TreeGen *tree;
        WorkerLauncher launcher;
        Worker *worker;
        const char *consumer;
        uint64_t sequence; /* of the latest step */
        uint64_t started;  /* of the one not waited for */
        bool has_answer, has_started_answer, has_ended;
        WorkerAnswer answer, started_answer;
        int answer_fd;
        Opened opened[OPENED_MAX];
        size_t n_opened;
        unsigned line, n_failed, n_held;
} Run;

static const char *const action_names[_WORKER_ACTION_MAX] = {
        [WORKER_SET_OVERRIDE] = "set-override",
        [WORKER_UNBIND] = "unbind",
        [WORKER_BIND] = "bind",
        [WORKER_OPEN_IOMMUFD] = "open-iommufd",
        [WORKER_OPEN_CDEV] = "open-cdev",
        [WORKER_OPEN_CONTAINER] = "open-container",
        [WORKER_OPEN_GROUP] = "open-group",
        [WORKER_OPEN_DEVICE] = "open-device",
        [WORKER_CHECK_HOLDERS] = "check-holders",
};

static int parse_action(const char *name, WorkerAction *ret) {
        for (int i = 0; i < _WORKER_ACTION_MAX; i++)
                if (string_equal(name, action_names[i])) {
                        *ret = (WorkerAction) i;
                        return 0;
                }
        return -EINVAL;
}

static const char *name_or_none(const char *word) {
        return string_equal(word, "-") ? "" : word;
}

static void tell(Run *run, bool holds, const char *what, const char *detail) {
        *(holds ? &run->n_held : &run->n_failed) += 1;
        (void) printf("%s line %u: %s%s%s\n", holds ? "ok" : "not ok", run->line, what, *detail ? ": " : "", detail);
        (void) fflush(stdout);
}

static uint32_t group_of(Run *run, const PciAddress *address) {
        _cleanup_free_ char *name = NULL;
        char path[64];
        uint32_t group;

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/iommu_group", PCI_ADDRESS_FORMAT(address));
        if (link_basename_at(run->launcher.sysfs_fd, path, &name) < 0 || parse_u32(name, 10, &group) < 0)
                return UINT32_MAX;
        return group;
}

static void on_answer(Worker *worker, const WorkerAnswer *answer, int *fd, void *userdata) {
        Run *run = userdata;

        if (!answer)
                run->has_ended = true;
        else if (answer->sequence == run->started) {
                run->started_answer = *answer;
                run->has_started_answer = true;
        } else {
                run->answer = *answer;
                run->has_answer = true;
                safe_close(run->answer_fd);
                run->answer_fd = TAKE_FD(*fd);
        }
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        *(bool *) userdata = true;
        return 0;
}

/* Runs the loop until *done, or the time is over. */
static int await(Run *run, const bool *done, uint64_t usec) {
        _cleanup_(sd_event_source_unrefp) sd_event_source *timer = NULL;
        bool is_late = false;
        int r;

        r = sd_event_add_time_relative(run->event, &timer, CLOCK_MONOTONIC, usec, 0, on_time, &is_late);
        while (r >= 0 && !*done && !run->has_ended && !is_late)
                r = sd_event_run(run->event, UINT64_MAX);
        if (r < 0)
                return r;
        return *done ? 0 : run->has_ended ? -EPIPE : -ETIMEDOUT;
}

static int send_step(Run *run, char **words) {
        WorkerRequest request;
        WorkerAction action;
        PciAddress address;
        int r;

        if (parse_action(words[0], &action) < 0 || pci_address_parse(words[1], &address) < 0)
                return -EINVAL;
        r = worker_request_make(action, ++run->sequence, &address, group_of(run, &address), name_or_none(words[2]), &request);
        return r < 0 ? r : worker_send(run->worker, &request);
}

static void keep_fd(Run *run, char **words) {
        Opened *opened = &run->opened[run->n_opened];

        if (run->answer_fd < 0 || run->n_opened == OPENED_MAX)
                return;
        (void) parse_action(words[0], &opened->action);
        (void) pci_address_parse(words[1], &opened->address);
        opened->group = group_of(run, &opened->address);
        opened->fd = TAKE_FD(run->answer_fd);
        run->n_opened++;
}

/* What the first holder that was found holds, which can only be this process. */
static const char *found_holder(const WorkerAnswer *answer) {
        static const char *const kinds[_HOLDER_KIND_MAX] = { [HOLDS_GROUP] = "group", [HOLDS_DEVICE] = "device", [HOLDS_PERHAPS] = "perhaps" };
        const WorkerHolder *holder = &answer->holders.items[0];

        if (answer->holders.n_items == 0)
                return "";
        if (holder->pid != (uint32_t) getpid() || !string_equal(holder->comm, program_invocation_short_name) || fcntl((int) holder->fd, F_GETFD) < 0)
                return "somebody-else";
        return kinds[holder->kind];
}

static void compare(Run *run, const WorkerAnswer *answer, const char *what, const char *result, const char *found) {
        const char *said = answer->error == 0 ? "0" : strerrorname_np(-answer->error) ?: "?";
        const char *known = answer->holders.n_items > 0 ? found_holder(answer) : answer->found;
        char detail[160] = "";

        if (!string_equal(said, result) || (found && !string_equal(known, name_or_none(found))))
                (void) snprintf(detail, sizeof(detail), "expected %s %s, the kernel said %s %s", result, found ?: "", said, known);
        tell(run, detail[0] == '\0', what, detail);
}

static int run_step(Run *run, char **words, size_t n_words, const char *what) {
        int r;

        if (n_words < 5 || !string_equal(words[3], "="))
                return -EINVAL;
        run->has_answer = false;
        r = send_step(run, words);
        if (r >= 0)
                r = await(run, &run->has_answer, ANSWER_USEC);
        if (r < 0)
                return r;

        compare(run, &run->answer, what, words[4], words[5]);
        keep_fd(run, words);
        return 0;
}

static int run_start(Run *run, char **words, size_t n_words) {
        if (n_words != 4)
                return -EINVAL;
        run->has_started_answer = false;
        run->started = run->sequence + 1;
        return send_step(run, words + 1);
}

static int run_finish(Run *run, char **words, size_t n_words, const char *what) {
        int r;

        if (n_words < 3 || !string_equal(words[1], "="))
                return -EINVAL;
        r = await(run, &run->has_started_answer, ANSWER_USEC);
        if (r >= 0)
                compare(run, &run->started_answer, what, words[2], words[3]);
        return r;
}

static int run_await_driver(Run *run, char **words, size_t n_words, const char *what) {
        const bool never = false;
        PciAddress address;
        char path[64];

        if (n_words != 3 || pci_address_parse(words[1], &address) < 0)
                return -EINVAL;
        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver", PCI_ADDRESS_FORMAT(&address));
        for (uint64_t usec = 0; usec < ANSWER_USEC; usec += RETRY_USEC) {
                _cleanup_free_ char *driver = NULL;
                int r = link_basename_at(run->launcher.sysfs_fd, path, &driver);

                if (r < 0 && r != -ENOENT)
                        return r;
                if (string_equal(driver ?: "-", words[2])) {
                        tell(run, true, what, "");
                        return 0;
                }
                r = await(run, &never, RETRY_USEC); /* sysfs tells nobody when a link changes */
                if (r < 0 && r != -ETIMEDOUT)
                        return r;
        }
        return -ETIMEDOUT;
}

static int run_close(Run *run, char **words, size_t n_words) {
        WorkerAction action;
        PciAddress address;

        if (n_words != 3 || parse_action(words[1], &action) < 0 || pci_address_parse(words[2], &address) < 0)
                return -EINVAL;
        for (size_t i = run->n_opened; i-- > 0;)
                if (run->opened[i].action == action && pci_address_compare(&run->opened[i].address, &address) == 0) {
                        safe_close(run->opened[i].fd);
                        run->opened[i] = run->opened[--run->n_opened];
                        return 0;
                }
        return -ENOENT;
}

/* $ASSIGND_FDS, with the fds made inheritable. The caller frees the text. */
static char *describe_fds(Run *run, const char *backend) {
        json_t *shared = json_object(), *devices = json_object();
        json_t *root = json_pack("{s:s, s:o, s:o}", "backend", backend, "shared", shared, "devices", devices);
        char *text;

        for (size_t i = 0; i < run->n_opened; i++) {
                const Opened *opened = &run->opened[i];
                bool is_device = opened->action == WORKER_OPEN_CDEV || opened->action == WORKER_OPEN_DEVICE;
                char name[32];

                if (is_device)
                        (void) snprintf(name, sizeof(name), "%s", PCI_ADDRESS_FORMAT(&opened->address));
                else if (opened->action == WORKER_OPEN_GROUP)
                        (void) snprintf(name, sizeof(name), "group:%u", opened->group);
                else
                        (void) snprintf(name, sizeof(name), "%s", opened->action == WORKER_OPEN_IOMMUFD ? "iommufd" : "container");
                (void) json_object_set_new(is_device ? devices : shared, name, json_integer(opened->fd));
                (void) fcntl(opened->fd, F_SETFD, 0);
        }
        text = json_dumps(root, JSON_COMPACT);
        json_decref(root);
        return text;
}

static int run_consume(Run *run, char **words, size_t n_words, const char *what) {
        _cleanup_free_ char *fds = NULL;
        int status;
        pid_t pid;

        if (n_words != 2)
                return -EINVAL;
        if (!run->consumer)
                return 0;
        fds = describe_fds(run, words[1]);
        if (!fds || setenv("ASSIGND_FDS", fds, true) < 0)
                return -ENOMEM;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                execl(run->consumer, run->consumer, NULL);
                _exit(127);
        }
        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        tell(run, WIFEXITED(status) && WEXITSTATUS(status) == 0, what, "");
        return 0;
}

static int run_line(Run *run, char *line) {
        _cleanup_free_ char *what = strdup(line);
        char *words[WORDS_MAX + 1] = {}, *saved = NULL;
        size_t n = 0;

        for (char *word = strtok_r(line, " ", &saved); word && n < WORDS_MAX; word = strtok_r(NULL, " ", &saved))
                words[n++] = word;
        if (!what)
                return -ENOMEM;
        if (n == 0 || words[0][0] == '#')
                return 0;

        if (string_equal(words[0], "start"))
                return run_start(run, words, n);
        if (string_equal(words[0], "pending")) {
                tell(run, !run->has_started_answer, what, "");
                return 0;
        }
        if (string_equal(words[0], "finish"))
                return run_finish(run, words, n, what);
        if (string_equal(words[0], "await-driver"))
                return run_await_driver(run, words, n, what);
        if (string_equal(words[0], "close"))
                return run_close(run, words, n);
        if (string_equal(words[0], "consume"))
                return run_consume(run, words, n, what);
        return run_step(run, words, n, what);
}

static int run_file(Run *run, const char *path) {
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        ssize_t n;
        int r = 0;

        if (!file)
                return log_error_errno(errno, "Failed to open %s: %m", path);
        while (r >= 0 && (n = getline(&line, &size, file)) > 0) {
                run->line++;
                line[strcspn(line, "\n")] = '\0';
                r = run_line(run, line);
        }
        if (r < 0)
                tell(run, false, "the line could not be run", strerrordesc_np(-r));
        return 0;
}

static void run_done(Run *run) {
        worker_free(run->worker);
        for (size_t i = 0; i < run->n_opened; i++)
                safe_close(run->opened[i].fd);
        safe_close(run->answer_fd);
        safe_close(run->launcher.sysfs_fd);
        safe_close(run->launcher.dev_fd);
        safe_close(run->launcher.proc_fd);
        sd_event_unref(run->event);
        treegen_free(run->tree);
}

static int open_directory(const char *path) {
        return RET_NERRNO(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int open_kernel(Run *run, bool simulated) {
        int r;

        if (!simulated) {
                run->launcher.sysfs_fd = open_directory("/sys");
                run->launcher.dev_fd = open_directory("/dev");
                run->launcher.proc_fd = open_directory("/proc");
                return run->launcher.sysfs_fd < 0 ? run->launcher.sysfs_fd : run->launcher.dev_fd;
        }

        r = treegen_new(&run->tree);
        if (r >= 0)
                r = treegen_make_lab(run->tree->fd);
        if (r >= 0)
                r = simk_prepare(run->tree->fd, true);
        if (r < 0)
                return r;
        run->launcher.sysfs_fd = open_directory(run->tree->path);
        run->launcher.dev_fd = simk_open_dev(run->tree->fd);
        run->launcher.proc_fd = open_directory("/proc");
        return run->launcher.sysfs_fd < 0 ? run->launcher.sysfs_fd : run->launcher.dev_fd;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "worker", required_argument, NULL, 'w' },
                { "consumer", required_argument, NULL, 'c' },
                { "simulated", no_argument, NULL, 's' },
                {},
        };
        _cleanup_(run_done) Run run = { .launcher = { .sysfs_fd = -EBADF, .dev_fd = -EBADF, .proc_fd = -EBADF }, .answer_fd = -EBADF };
        bool simulated = false;
        int c, r;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                if (c == 'w')
                        run.launcher.path = optarg;
                else if (c == 'c')
                        run.consumer = optarg;
                else if (c == 's')
                        simulated = true;
                else
                        return 2;
        if (!run.launcher.path || optind + 1 != argc) {
                (void) fputs("conformance --worker=PATH [--simulated] [--consumer=PATH] FILE\n", stderr);
                return 2;
        }

        r = sd_event_new(&run.event);
        if (r >= 0)
                r = open_kernel(&run, simulated);
        if (r >= 0)
                r = worker_new(run.event, &run.launcher, on_answer, &run, &run.worker);
        if (r < 0) {
                log_error_errno(r, "Failed to start %s: %m", run.launcher.path);
                return EXIT_FAILURE;
        }
        if (run_file(&run, argv[optind]) < 0)
                return EXIT_FAILURE;
        (void) printf("%u steps as expected, %u not\n", run.n_held, run.n_failed);
        return run.n_failed == 0 && run.n_held > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
