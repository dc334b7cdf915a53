/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/look.h"

#include <string.h>

struct Look {
        Worker *worker;
        uint32_t *groups;
        size_t n_groups;
        size_t n_answered;
        HoldingList found;
        look_done_t done;
        void *userdata;
};

Look *look_free(Look *look) {
        if (!look)
                return NULL;

        worker_free(look->worker);
        holding_list_done(&look->found);
        free(look->groups);
        free(look);
        return NULL;
}

static int ask_next(Look *look) {
        WorkerRequest request;
        int r;

        r = worker_request_make(WORKER_CHECK_HOLDERS, look->n_answered + 1, NULL, look->groups[look->n_answered], NULL, &request);
        return r < 0 ? r : worker_send(look->worker, &request);
}

static void end(Look *look, int error) {
        look->worker = worker_free(look->worker);
        look->done(&look->found, error, look->userdata);
}

static void on_worker(Worker *worker, const WorkerAnswer *answer, int *fd, void *userdata) {
        Look *look = userdata;
        int r;

        if (!answer) {
                end(look, -EPIPE);
                return;
        }
        if (answer->sequence != look->n_answered + 1)
                return;
        r = answer->error == -EBUSY ? 0 : answer->error;
        if (r >= 0)
                r = holding_list_add(&look->found, look->groups[look->n_answered], &answer->holders);
        if (r >= 0 && ++look->n_answered < look->n_groups) {
                r = ask_next(look);
                if (r >= 0)
                        return;
        }
        end(look, r);
}

int look_new(sd_event *event, const WorkerLauncher *launcher, const uint32_t *groups, size_t n_groups, look_done_t done, void *userdata, Look **ret) {
        _cleanup_(look_freep) Look *look = NULL;
        int r;

        assert(n_groups > 0 && done && ret);

        look = calloc(1, sizeof(Look));
        if (!look)
                return -ENOMEM;
        *look = (Look) { .n_groups = n_groups, .done = done, .userdata = userdata };
        look->groups = calloc(n_groups, sizeof(uint32_t));
        if (!look->groups)
                return -ENOMEM;
        memcpy(look->groups, groups, n_groups * sizeof(uint32_t));
        r = worker_new(event, launcher, on_worker, look, &look->worker);
        if (r < 0)
                return r;
        r = ask_next(look);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(look);
        return 0;
}
