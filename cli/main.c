/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <fcntl.h>
#include <locale.h>
#include <string.h>

#include "base/strutil.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/verbs.h"

/* So that no connection ever gets the number of a standard stream. */
static int standard_fds_ensure(void) {
        int fd;

        do {
                fd = open("/dev/null", O_RDWR);
                if (fd < 0)
                        return -errno;
        } while (fd <= STDERR_FILENO);

        (void) close(fd);
        return 0;
}

static bool text_is_utf8(const char *s) {
        while (*s) {
                size_t length = utf8_printable_length(s);

                if (length == 0 && (unsigned char) s[0] < 0x80)
                        length = 1;
                else if (length == 0 && (unsigned char) s[0] == 0xc2 && ((unsigned char) s[1] & 0xe0) == 0x80)
                        length = 2; /* a control character, but well-formed */
                if (length == 0)
                        return false;
                s += length;
        }
        return true;
}

/* The bus carries nothing but UTF-8. */
static int arguments_check(const Cli *cli, Failure *failure) {
        const char *texts[] = { cli->options.owner, cli->options.label, cli->options.device, cli->options.verb, cli->options.outcome, cli->options.user, cli->options.node_context };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (texts[i] && !text_is_utf8(texts[i]))
                        return failure_usage(failure, "'%s' is not valid UTF-8.", texts[i]);
        for (char **a = cli->options.arguments; *a; a++)
                if (!text_is_utf8(*a))
                        return failure_usage(failure, "'%s' is not valid UTF-8.", *a);
        for (char **o = cli->options.overrides; o && *o; o++)
                if (!text_is_utf8(*o))
                        return failure_usage(failure, "'%s' is not valid UTF-8.", *o);
        return 0;
}

/* NULL with the failure set if there is no such verb. */
static const Verb *verb_choose(Cli *cli, const char *name) {
        const Verb *verb = verb_find(name), *suggestion;

        if (verb)
                return verb;
        suggestion = verb_suggest(name);
        if (suggestion)
                (void) failure_usage(&cli->failure, "There is no verb '%s'. Did you mean '%s'?", name, suggestion->name);
        else
                (void) failure_usage(&cli->failure, "There is no verb '%s'; 'assign-ctl --help' lists them.", name);
        return NULL;
}

static void help_print(const Verb *verb, bool has_verb) {
        if (!has_verb) {
                verbs_print_overview(stdout);
                return;
        }
        (void) fputs(verb->usage, stdout);
        (void) fputs(OPTIONS_COMMON_HELP, stdout);
}

static int run(Cli *cli, int argc, char *argv[]) {
        int verb_index = options_find_verb(argc, argv, verbs[0]->options), r;
        const Verb *verb;

        cli->options.json = options_want_json(argc, argv);
        verb = verb_index < argc ? verb_choose(cli, argv[verb_index]) : verbs[0];
        if (!verb)
                return -ECANCELED;
        r = options_parse(argc, argv, verb_index, verb->options, verb->takes_command, &cli->options, &cli->failure);
        if (r < 0)
                return r;

        if (cli->options.help) {
                help_print(verb, verb_index < argc);
                return EXIT_CODE_DONE;
        }
        if (cli->options.version) {
                (void) puts("assign-ctl " PROJECT_VERSION);
                return EXIT_CODE_DONE;
        }
        r = arguments_check(cli, &cli->failure);
        if (r < 0)
                return r;

        cli->color = output_has_color(stdout);
        return verb->run(cli);
}

static int failure_tell(Cli *cli, int error) {
        Failure *failure = &cli->failure;

        if (!failure->name)
                (void) failure_local(failure, "%s", strerror(-error));

        if (cli->options.json) {
                _cleanup_json_ json_t *object = json_pack("{s:o}", "error", failure_to_json(failure));

                (void) output_json(stdout, object);
        } else
                failure_print(failure, stderr);
        return (int) failure_exit_code(failure->name);
}

int main(int argc, char *argv[]) {
        _cleanup_(cli_done) Cli cli = {};
        int r;

        r = standard_fds_ensure();
        if (r < 0)
                return EXIT_CODE_FAILED;
        (void) setlocale(LC_CTYPE, "C.UTF-8"); /* what is printed is UTF-8 */

        r = run(&cli, argc, argv);
        if (r < 0)
                r = failure_tell(&cli, r);

        if (fflush(stdout) != 0 || ferror(stdout)) {
                (void) fputs("assign-ctl: The output could not be written.\n", stderr);
                return r == EXIT_CODE_DONE ? EXIT_CODE_FAILED : r;
        }
        return r;
}
