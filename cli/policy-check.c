/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "cli/policy-check.h"

#include <fcntl.h>
#include <string.h>

#include "base/accounts.h"
#include "base/strutil.h"
#include "cli/json.h"
#include "cli/output.h"
#include "policy/rules-parse.h"

/* All of the file, but no more than is refused anyway. */
static int file_read(const char *path, char **ret, size_t *ret_size) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        _cleanup_free_ char *text = malloc(POLICY_FILE_MAX + 1);
        size_t n;

        if (!f)
                return -errno;
        if (!text)
                return -ENOMEM;
        n = fread(text, 1, POLICY_FILE_MAX + 1, f);
        if (ferror(f))
                return -EIO;
        *ret = TAKE_PTR(text);
        *ret_size = n;
        return 0;
}

static json_t *error_json(const PolicyError *error) {
        return json_pack("{s:s, s:i, s:i, s:s, s:s}", "file", error->file, "line", (int) error->line, "column", (int) error->column, "found", error->found,
                         "expected", error->expected);
}

static int print_json(const PolicyErrorList *errors) {
        _cleanup_json_ json_t *object = NULL;
        json_t *list = json_array();

        for (size_t i = 0; i < errors->n_items; i++)
                if (json_array_append_new(list, error_json(&errors->items[i])) < 0) {
                        json_decref(list);
                        return -ENOMEM;
                }
        object = json_pack("{s:b, s:o}", "good", errors->n_items == 0, "errors", list);
        return output_json(stdout, object);
}

static int print_text(const Cli *cli, const PolicySet *set, const PolicyErrorList *errors) {
        for (size_t i = 0; i < errors->n_items; i++) {
                _cleanup_free_ char *text = NULL;
                int r;

                r = policy_error_format(&errors->items[i], &text);
                if (r < 0)
                        return r;
                output_line(stdout, "%s", text);
        }
        if (errors->n_items == 0 && !cli->options.no_legend)
                output_line(stderr, "Good: %zu rules, %zu labels, %zu claims, %zu protections, %zu resets. 'systemctl reload assignd' puts what is in /etc/assignd/policy.d in force.",
                            set->n_rules, set->n_labels, set->n_claims, set->n_protections, set->n_resets);
        return 0;
}

int policy_check(Cli *cli, char *const *files) {
        static const PolicyNames names = { account_find_local_user, account_find_local_group };
        _cleanup_(policy_error_list_done) PolicyErrorList errors = {};
        _cleanup_(policy_set_done) PolicySet set = {};
        int r;

        for (; *files; files++) {
                _cleanup_free_ char *text = NULL;
                size_t size = 0;

                r = file_read(*files, &text, &size);
                if (r < 0)
                        return failure_local(&cli->failure, "%s cannot be read: %s.", *files, strerror(-r));
                r = policy_parse(*files, text, size, &names, &set, &errors);
                if (r < 0)
                        return r;
        }
        r = cli->options.json ? print_json(&errors) : print_text(cli, &set, &errors);
        if (r < 0)
                return r;
        return errors.n_items > 0 ? EXIT_CODE_FAILED : EXIT_CODE_DONE;
}
