/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Walks many seeds on all processors, and makes what fails small. */

#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strutil.h"
#include "tests/walk/clock.h"
#include "tests/walk/matrix.h"
#include "tests/walk/walk.h"

#define FAILURES_MAX 8U
#define JOBS_MAX 64U
#define KIND_LENGTH 14U
#define DIED "died"
#define STUCK_SECONDS 10U /* a walk takes less than one */

typedef struct Failure {
        uint64_t seed;
        char text[512];
} Failure;

/* What the processes share. */
typedef struct Board {
        _Atomic uint64_t next_seed;
        _Atomic unsigned n_failures;
        Failure failures[FAILURES_MAX];
        struct {
                uint64_t seed;
                WalkResult result;
                uint64_t n_seeds;
        } jobs[JOBS_MAX];
} Board;

typedef struct Options {
        uint64_t first, n_seeds;
        unsigned n_actions, n_jobs;
        bool one, matrix, verbose;
        const char *only;
} Options;

static void note_failure(Board *board, uint64_t seed, const char *text) {
        unsigned n = board->n_failures++;

        if (n >= FAILURES_MAX)
                return;
        board->failures[n].seed = seed;
        (void) snprintf(board->failures[n].text, sizeof(board->failures[n].text), "%s", text);
}

static World *make_world(bool verbose) {
        World *world = NULL;
        int r = world_new(&world);

        if (r < 0) {
                (void) fprintf(stderr, "Failed to make a world: %s\n", strerror(-r));
                _exit(EXIT_FAILURE);
        }
        world->verbose = verbose;
        return world;
}

static void run_job(const Options *options, Board *board, unsigned job) {
        World *world = make_world(false);
        uint64_t seed;

        while ((seed = board->next_seed++) < options->first + options->n_seeds && board->n_failures < FAILURES_MAX) {
                board->jobs[job].seed = seed;
                (void) alarm(STUCK_SECONDS);
                walk(world, seed, options->n_actions, NULL, &board->jobs[job].result);
                board->jobs[job].n_seeds++;
                if (world->wrong)
                        note_failure(board, seed, world->wrong);
        }
        (void) alarm(0);
        world_free(world);
}

static pid_t start_job(const Options *options, Board *board, unsigned job) {
        pid_t pid = fork();

        if (pid == 0) {
                run_job(options, board, job);
                _exit(EXIT_SUCCESS);
        }
        return pid;
}

/* A process that died had a walk that failed; another one goes on after it. */
static void run_jobs(const Options *options, Board *board) {
        pid_t pids[JOBS_MAX];
        unsigned n = options->n_jobs;

        for (unsigned i = 0; i < n; i++)
                pids[i] = start_job(options, board, i);
        for (unsigned running = n; running > 0;) {
                int status;
                pid_t pid = wait(&status);

                for (unsigned i = 0; i < n; i++) {
                        char text[64];

                        if (pids[i] != pid)
                                continue;
                        running--;
                        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                                continue;
                        (void) snprintf(text, sizeof(text), DIED " with signal %d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
                        note_failure(board, board->jobs[i].seed, text);
                        if (board->n_failures < FAILURES_MAX) {
                                pids[i] = start_job(options, board, i);
                                running++;
                        }
                }
        }
}

/* Whether the walk fails with these actions, in a process of its own, since it may die; in what way: `kind` (NULL: in any), the
 * beginning of what is wrong. */
static bool fails(uint64_t seed, unsigned n_actions, const bool *keep, const char *kind, bool verbose) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                World *world = make_world(verbose);
                WalkResult result = {};
                bool wrong;

                (void) alarm(STUCK_SECONDS);
                walk(world, seed, n_actions, keep, &result);
                wrong = world->wrong && (!kind || strncmp(world->wrong, kind, KIND_LENGTH) == 0);
                world_free(world);
                _exit(wrong ? 9 : EXIT_SUCCESS);
        }
        return waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS;
}

/* Leaves out what it fails without, in blocks that get smaller. */
static void shrink(const Failure *failure, unsigned n_actions) {
        const char *kind = strncmp(failure->text, DIED, strlen(DIED)) == 0 ? NULL : failure->text;
        uint64_t seed = failure->seed;
        bool keep[WALK_ACTIONS_MAX];

        for (unsigned i = 0; i < n_actions; i++)
                keep[i] = true;
        for (unsigned block = n_actions / 2 ?: 1; block > 0; block /= 2)
                for (unsigned at = 0; at < n_actions; at += block) {
                        bool trial[WALK_ACTIONS_MAX];

                        memcpy(trial, keep, sizeof(trial));
                        for (unsigned i = at; i < at + block && i < n_actions; i++)
                                trial[i] = false;
                        if (memcmp(trial, keep, n_actions * sizeof(bool)) != 0 && fails(seed, n_actions, trial, kind, false))
                                memcpy(keep, trial, sizeof(trial));
                }
        printf("  shrunk to: --seed %" PRIu64 " --actions %u --only ", seed, n_actions);
        for (unsigned i = 0, n = 0; i < n_actions; i++)
                if (keep[i])
                        printf("%s%u", n++ ? "," : "", i);
        printf("\n");
        (void) fflush(stdout);
        (void) fails(seed, n_actions, keep, NULL, true);
}

static int walk_seeds(const Options *options) {
        Board *board = mmap(NULL, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        uint64_t began = clock_real_usec(), n_seeds = 0;
        WalkResult all = {};

        if (board == MAP_FAILED)
                return EXIT_FAILURE;
        board->next_seed = options->first;
        run_jobs(options, board);
        for (unsigned i = 0; i < options->n_jobs; i++) {
                const WalkResult *result = &board->jobs[i].result;

                n_seeds += board->jobs[i].n_seeds;
                all.n_actions += result->n_actions;
                all.n_operations += result->n_operations;
                all.n_recovered += result->n_recovered;
                all.n_crashes += result->n_crashes;
                all.n_reboots += result->n_reboots;
                all.n_refused += result->n_refused;
                all.n_commits += result->n_commits;
                all.n_writes += result->n_writes;
        }
        printf("%" PRIu64 " seeds (%" PRIu64 " to %" PRIu64 "), %" PRIu64 " actions, %" PRIu64 " operations (%" PRIu64 " recoveries), %" PRIu64
               " refusals, %" PRIu64 " crashes (%" PRIu64 " reboots), %" PRIu64 " commits, %" PRIu64 " kernel writes, %u violations, %.1f s\n",
               n_seeds, options->first, options->first + options->n_seeds - 1, all.n_actions, all.n_operations, all.n_recovered, all.n_refused,
               all.n_crashes, all.n_reboots, all.n_commits, all.n_writes, board->n_failures, (double) (clock_real_usec() - began) / 1e6);
        (void) fflush(stdout);
        for (unsigned i = 0; i < board->n_failures && i < FAILURES_MAX; i++)
                printf("seed %" PRIu64 ": %s\n", board->failures[i].seed, board->failures[i].text);
        (void) fflush(stdout);
        if (board->n_failures > 0)
                shrink(&board->failures[0], options->n_actions);
        return board->n_failures > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* One walk, told action by action. */
static int walk_one(const Options *options) {
        bool keep[WALK_ACTIONS_MAX] = {};
        const char *at = options->only;

        while (at && *at) {
                unsigned long n = strtoul(at, (char **) &at, 10);

                if (n < WALK_ACTIONS_MAX)
                        keep[n] = true;
                at += *at == ',';
        }
        return fails(options->first, options->n_actions, options->only ? keep : NULL, NULL, true) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int usage(FILE *f) {
        fputs("walk [--from SEED] [--seeds N] [--actions N] [--jobs N]   random walks\n"
              "walk --seed SEED [--actions N] [--only N,N,...]           one of them, told action by action\n"
              "walk --matrix [--jobs N]                                  a crash at every moment of every verb\n", f);
        return f == stderr ? 2 : 0;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *ret) {
        return parse_u64(text, 10, ret) >= 0 && *ret <= max;
}

/* Returns 1 to go on, or an exit status negated. */
static int parse_options(int argc, char *argv[], Options *options) {
        static const struct option long_options[] = {
                { "from", required_argument, NULL, 'f' }, { "seeds", required_argument, NULL, 'n' }, { "actions", required_argument, NULL, 'a' },
                { "jobs", required_argument, NULL, 'j' }, { "seed", required_argument, NULL, 's' },  { "only", required_argument, NULL, 'o' },
                { "matrix", no_argument, NULL, 'm' },     { "verbose", no_argument, NULL, 'v' },      { "help", no_argument, NULL, 'h' },   {},
        };
        uint64_t number;
        int c;

        while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
                bool ok = true;

                switch (c) {
                case 'f':
                        ok = parse_number(optarg, UINT64_MAX / 2, &options->first);
                        break;
                case 'n':
                        ok = parse_number(optarg, UINT64_MAX / 4, &options->n_seeds);
                        break;
                case 'a':
                        ok = parse_number(optarg, WALK_ACTIONS_MAX, &number);
                        options->n_actions = (unsigned) number;
                        break;
                case 'j':
                        ok = parse_number(optarg, JOBS_MAX, &number) && number > 0;
                        options->n_jobs = (unsigned) number;
                        break;
                case 's':
                        options->one = ok = parse_number(optarg, UINT64_MAX / 2, &options->first);
                        break;
                case 'o':
                        options->only = optarg;
                        break;
                case 'm':
                        options->matrix = true;
                        break;
                case 'v':
                        options->verbose = true;
                        break;
                case 'h':
                        return -usage(stdout);
                default:
                        return -usage(stderr);
                }
                if (!ok)
                        return -usage(stderr);
        }
        return optind == argc ? 1 : -usage(stderr);
}

int main(int argc, char *argv[]) {
        Options options = { .first = 1, .n_seeds = 300, .n_actions = 50, .n_jobs = (unsigned) sysconf(_SC_NPROCESSORS_ONLN) };
        int r;

        options.n_jobs = options.n_jobs > JOBS_MAX ? JOBS_MAX : options.n_jobs;
        r = parse_options(argc, argv, &options);
        if (r <= 0)
                return -r;
        if (!getenv("ASSIGND_LOG_LEVEL"))
                (void) setenv("ASSIGND_LOG_LEVEL", "0", 1);
        if (options.matrix)
                return matrix_run(options.n_jobs, options.verbose);
        return options.one ? walk_one(&options) : walk_seeds(&options);
}
