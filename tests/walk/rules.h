/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What never breaks (docs/ARCHITECTURE.md tells how), checked against the tree, the committed rows and the manager at every
 * moment: the reference that a walk is compared with. It knows only what was committed and what the kernel shows, so it
 * survives the daemon's death as they do.
 *
 *   1  no member of a group goes to a host driver while another could be used by an owner; one operation a group
 *   2  an assignment has all its devices or none
 *   3  no device leaves its host driver before every endpoint of its group has its override
 *   4  each write has its committed row, in an operation that has not ended; each end has its row and its line in the trail
 *   5  what was given back is as it was, or it is said what differs
 *   6  an operation waits for somebody, or goes on
 *   7  a daemon's end and start change nothing: every write is one of rule 4
 *   8  what is reserved, and nobody is at work on, is on its VFIO driver under its override, whether assigned or not, in every boot
 *   9  a node belongs to nobody but root and whom an assignment that has not ended gives it to */

#include "tests/walk/world.h"

#define WORLD_DEVICES_MAX 16U

/* An assignment or a reservation, from the row's commit to the commit of its end. A device can be of one of each: then the assignment
 * lies on top, and goes back to the reservation. */
typedef struct Hold {
        bool is_reservation;
        int64_t id;
        int64_t boot_row; /* of a reservation: another one is another renewal */
        char owner[WORLD_NAME_MAX];
        uid_t uid;
        unsigned boot;
        uint32_t devices; /* a bit for each of the world's */
        WorldPlace before[WORLD_DEVICES_MAX];
        unsigned generations[WORLD_DEVICES_MAX];
        uint32_t foreign; /* somebody else has acted on these since */
        uint32_t spoiled; /* a write failed in the way back of these */
        bool is_incomplete; /* a write failed since: it may have lost a part before the kernel refused the rest */
        bool is_recovered; /* root renewed it: it is whole when its group is open again */
        bool is_over;
        bool has_lease;
        int *fds;     /* that the client opened */
        size_t n_fds;
} Hold;

typedef struct Rules {
        World *world;
        sqlite3 *reader;
        sqlite3_stmt *statements[24];
        size_t n_statements;
        Hold *holds;
        size_t n_holds;
        unsigned n_operations, n_recovered; /* that ended */
} Rules;

/* Watches a world that was reset, until rules_done(). */
void rules_init(Rules *rules, World *world);
void rules_done(Rules *rules);

/* Between two actions. At rest: after world_settle(). */
void rules_check(Rules *rules, bool at_rest);

/* After the last action, when everything was released: every operation has ended, with one line in the trail each. */
void rules_check_end(Rules *rules);

/* Somebody else has acted on the device. */
void rules_note_foreign(Rules *rules, const WorldDevice *device);

/* What failed in the way back does not matter any more where the way is gone once more: by the operation, or (NULL) of all. */
void rules_forget_spoiled(Rules *rules, const Operation *operation);

/* The process that had asked for a step of it died. */
void rules_note_spoiled(Rules *rules, const WorldWorker *worker);

/* Of assignments, */
Hold *rules_find_hold(Rules *rules, int64_t id);
size_t rules_n_open(const Rules *rules);
Hold *rules_pick_hold(Rules *rules, uint64_t n); /* of those that are not over; NULL: none */

/* and a device of a reservation that is not over; NULL: none. */
WorldDevice *rules_pick_reserved(Rules *rules, uint64_t n);

/* Whether an assignment has the group; a reservation; one of the same devices as now; whether an operation that has not ended has it
 * or waits for it. */
bool rules_group_is_held(Rules *rules, uint32_t group);
bool rules_group_is_reserved(Rules *rules, uint32_t group);
bool rules_reservation_is_whole(Rules *rules, uint32_t group);
bool rules_group_is_busy(Rules *rules, uint32_t group);
bool rules_group_is_closed(Rules *rules, uint32_t group); /* by a quarantine */

void hold_close_fds(Hold *hold);
