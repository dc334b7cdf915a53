/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* An org.assignd1 that only plays: it holds one small host in its head, answers from a script, and writes down every call.
 *
 * Its host: group 14 with the endpoints 0000:02:00.0 (e1000e) and 0000:02:00.1 (e1000e, override "mine"), group 3 with the bridge
 * 0000:00:1c.0 (pcieport; not viable), and 0000:00:1f.0 without a group. An assignment always takes group 14, has the id 7, and
 * 0000:02:00.1 as companion. */

#include <sys/types.h>

#include "base/macro.h"

typedef struct FakeScript {
        const char *fail_member;  /* this method fails, */
        const char *fail_path;    /* of this object (NULL: of any), */
        const char *fail_name;    /* with this error, */
        const char *fail_message;
        bool fail_with_blockers;  /* and two blockers in its body */
        const char *drop_member;  /* at this call it leaves the bus without an answer */
        const char *wrong_member; /* this method is answered with something else than what it should give */
        const char *backend;      /* NULL: "iommufd" */
        const char *device_name;  /* of 0000:02:00.0; NULL: an ordinary one */
        const char *plan_difference; /* what the plan of a recover says is not as it should be; NULL: nothing */
        const char *plan_error;   /* the plan is not possible, for this reason */
        unsigned n_devices;       /* an assignment has this many: 0000:40:00.0, 0000:41:00.0, ...; 0: the two of group 14 */
        bool nothing;             /* a host without groups and devices */
        const char *audit_file;   /* what ExportAudit gives */
        unsigned audit_entries;   /* how many entries the trail has */
        bool audit_overridden;    /* they went past the network and were in the way of nothing else */
} FakeScript;

/* Takes the name on the bus at `address`; on return it is there. Every call becomes a line on *ret_log: the member and its
 * arguments as JSON, like `Release ["",{"targets":["02:00.0"]}]`; so does the end of a lease: `lease-closed`. */
pid_t fake_start(const char *address, const FakeScript *script, int *ret_log);
