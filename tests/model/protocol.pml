/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Who may do what when: clients, the daemon, its journal, its workers and the kernel, small enough that spin walks every
 * interleaving. What is in here and where it comes from:
 *
 *   Kernel        a device's driver, driver_override and open fds, and the worker's thread that writes   host/worker-main.c,
 *                 to it (one a step; an unbind from the VFIO driver waits for the last fd)               host/kernel-sysfs.c
 *   Daemon        one event of the loop per branch: requests, the queue's turns, phases, ends, leases    daemon/assign.c,
 *                 and recovery                                          release.c, operation.c, queue.c, turn.c, lease.c, recover.c
 *   plan_give_back, wants_step                                                                           policy/plan.c
 *   row, issued_row   what is committed; a d_step that writes to them is one transaction                     daemon/journal.c
 *   Client        takes its groups, opens a device, lets go, gives back; the second is leased            dbus/, daemon/open.c
 *   World         kills the daemon and workers, and makes drivers probe
 *
 * A crash takes everything of the daemon but row and issued_row; a restart begins with recovery. Groups: 0 with two devices,
 * 1 with one. What the kernel itself refuses in a group that is in use is left out, so that the claims rest on the protocol
 * alone. Opening is one atomic event here. A database that refuses a commit, another boot and hotplug are not modelled.
 *
 * BREAK_* are faults put into the protocol; tests/model/run knows which claim each of them breaks. */

#ifndef CLIENTS
#define CLIENTS 2
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#define DEVICES 3
#define group_of(d) ((d) / 2)

/* The claims. Each is an assertion that names it. */
hidden byte one_owner = 1;               /* rule 1: a group has one owner, and nobody else has an fd of it */
hidden byte no_mixed_group = 1;          /* rule 1: no member on a host driver while an owner can use another */
hidden byte all_or_none = 1;             /* rule 2: an assignment has all its devices; an undone one none */
hidden byte kept_off_the_host = 1;       /* rule 3: no driver slips in while a group is taken or owned */
hidden byte row_before_write = 1;        /* rule 4: a write to the kernel has a committed row */
hidden byte row_before_reply = 1;        /* rule 4: a reply comes after the row that says how it ended */
hidden byte given_back_exactly = 1;      /* rule 5: at rest a group that is nobody's is as before, or closed as quarantined */
hidden byte one_write_a_device = 1;      /* two steps never work on one device at a time */
hidden byte failure_has_a_cause = 1;     /* nothing is failed or quarantined in a world without faults */
hidden byte every_request_is_answered = 1;   /* no deadlock: at rest nobody waits */
hidden byte at_rest_nothing_is_open = 1; /* an operation that has not ended is one that the kernel does not answer */
hidden byte lease_ends_assignment = 1; /* a leased client that is gone owns nothing at rest */
#define claim(name, condition) assert(name && (condition))

mtype = { nothing, host, vfio };                      /* a driver, or a driver_override */
mtype = { no_step, set_override, unbind, bind };      /* StepKind */
mtype = { planned, issued, done, failed };            /* StepState */
mtype = { no_verb, assign, release, recover };        /* Verb */
mtype = { closed, waiting, running, undoing };        /* OperationState */
mtype = { unassigned, assigning, assigned, releasing }; /* AssignmentState; `assigned` is ASSIGNMENT_ACTIVE */
mtype = { no_reply, ok, refused, operation_failed, timed_out, connection_lost };

/* --- The kernel. */

typedef Device {
        mtype driver;
        mtype override;
        byte held;     /* a bit for each client that has an fd */
        mtype write;   /* the step that a worker's thread has been given, and what it writes */
        mtype value;
        byte writer;   /* 1 + whose operation it is of */
        bool orphan;   /* of a daemon that has died */
        bool started;  /* an unbind that waits: the driver link is gone, the driver is not */
        bool jammed;   /* it never returns */
}
Device device[DEVICES];

/* What the tree shows. */
#define link_of(d) (device[d].write == unbind && device[d].started -> nothing : device[d].driver)
#define is_blocked(d) (device[d].started && (device[d].jammed || device[d].held))

/* --- The database. */

typedef Record {
        mtype driver;
        mtype override;
}
typedef Row {
        mtype assignment;
        mtype verb;      /* of the operation */
        mtype operation;
        bool told;       /* its owner knows that a release failed half-way */
        bool let_go;     /* every device has left its VFIO driver: no way back to its owner */
        Record record[DEVICES];
}
Row row[CLIENTS];
mtype issued_row[DEVICES];
bool quarantined[2];

/* --- The daemon's memory. */

typedef Operation {
        mtype verb;
        mtype state;
        byte phase;  /* the next one */
        bool has_failed;
        bool stuck;
        byte ahead;  /* a bit for each operation that has waited for longer and shares a group */
}
typedef Way {        /* of a device through the operation that holds it */
        mtype step;
        bool leaves;  /* what plan_give_back decided */
        bool returns;
        bool known;  /* on a driver that is ours or its own */
        bool left;   /* nobody can have an fd: it was not on its VFIO driver, or has left it */
        bool spoiled;
}
Operation op[CLIENTS];
Way way[DEVICES];
bool recovering[CLIENTS]; /* its recovery has not begun */
mtype due[CLIENTS];       /* a reply that is still to be sent */
bool lease_known[CLIENTS];
bool ready; /* it has the bus name */

/* --- The clients, and what is counted. */

byte groups[CLIENTS];     /* a bit for each group it wants */
mtype request[CLIENTS];   /* a Verb */
mtype reply[CLIENTS];
bool gone[CLIENTS];       /* it has died */
bool leased[CLIENTS];
bool lost_worker[CLIENTS]; /* the worker was killed */
Record before[DEVICES];
byte crashes, faults;

#define has(c, d) ((groups[c] >> group_of(d)) & 1)
#define share(a, b) ((a) != (b) && (groups[a] & groups[b]))
#define any_device(p, c) (p(c, 0) || p(c, 1) || p(c, 2))
#if CLIENTS == 1
#define any_client(p, c) (p(c, 0))
#elif CLIENTS == 2
#define any_client(p, c) (p(c, 0) || p(c, 1))
#else
#define any_client(p, c) (p(c, 0) || p(c, 1) || p(c, 2))
#endif
#define runs(c) (op[c].state == running || op[c].state == undoing)

/* Scratch, meaningless between steps. */
hidden byte i, j, k;
hidden byte more, is_still_held, differs, fails;

/* --- The claims about every state, asked where something changes that could break them. */

#define usable(d) (device[d].held || (device[d].driver == vfio && !device[d].started && any_client(is_owned_by, d)))
#define is_owned_by(d, c) (row[c].assignment == assigned && has(c, d))
#define may_hold(c) (row[c].assignment == assigned || row[c].assignment == releasing)
#define is_held_by_other(d, c) ((device[d].held & (1 << (c))) && !(may_hold(c) && has(c, d)))
#define two_rows(a, b) (share(a, b) && row[a].assignment != unassigned && row[b].assignment != unassigned)

inline check_always() {
        claim(no_mixed_group, !(device[0].driver == host && usable(1)) && !(device[1].driver == host && usable(0)));
        claim(one_owner, !any_client(two_rows, 0) && !any_client(two_rows, CLIENTS - 1));
        claim(one_owner, !any_client(is_held_by_other, 0) && !any_client(is_held_by_other, 1) && !any_client(is_held_by_other, 2));
}

/* --- host/: a thread of a worker, in the kernel. */

inline answer(d, result) {
        if
        :: !device[d].orphan && !lost_worker[device[d].writer - 1] -> way[d].step = result
        :: else
        fi;
        drop(d);
}

inline drop(d) {
        device[d].write = no_step;
        device[d].value = nothing;
        device[d].writer = 0;
        device[d].orphan = false;
        device[d].started = false;
}

#define may_begin(d, kind) (device[d].write == kind && !device[d].started)
inline check_row(d) {
        claim(row_before_write, issued_row[d] == device[d].write && row[device[d].writer - 1].operation != closed);
}

proctype Kernel(byte d) {
end:    do
        :: d_step {
                may_begin(d, set_override) ->
                check_row(d);
                device[d].override = device[d].value;
                answer(d, done)
        }
        :: d_step {
                may_begin(d, unbind) ->
                check_row(d);
                if
                :: device[d].driver != device[d].value -> answer(d, failed) /* -ENODEV */
                :: device[d].driver == device[d].value && device[d].held -> device[d].started = true
                :: else -> device[d].driver = nothing; answer(d, done)
                fi;
                check_always()
        }
        :: d_step {
                device[d].started && !is_blocked(d) ->
                device[d].driver = nothing;
                answer(d, done);
                check_always()
        }
        :: d_step {
                may_begin(d, bind) ->
                check_row(d);
                if
                :: device[d].driver == nothing && (device[d].override == nothing || device[d].override == device[d].value) ->
                        device[d].driver = device[d].value;
                        answer(d, done)
#ifndef BREAK_BIND_MUST_BE_OURS
                :: device[d].driver == device[d].value -> answer(d, done) /* somebody was faster */
#endif
                :: else -> answer(d, failed) /* -EBUSY, -ENODEV */
                fi;
                check_always()
        }
        :: d_step { /* any errno */
                device[d].write != no_step && !device[d].started && faults < FAULTS ->
                faults++;
                answer(d, failed)
        }
#ifdef ENDLESS_FAULT
        :: d_step { may_begin(d, unbind) && device[d].value == vfio && faults > 0 -> answer(d, failed) }
#endif
        :: d_step { /* a driver's remove() that does not return */
                may_begin(d, unbind) && faults < FAULTS ->
                faults++;
                device[d].started = true;
                device[d].jammed = true
        }
        :: d_step { /* a worker without a daemon begins nothing more */
                device[d].orphan && !device[d].started ->
                drop(d)
        }
        od
}

/* --- policy/plan.c. Phases 0 to 2 are plan_assign's, 3 to 6 plan_give_back's. */

#define GIVE_BACK 3

#define record_of(c, d) row[c].record[d]
#define is_known(c, d) (link_of(d) == nothing || link_of(d) == vfio || link_of(d) == record_of(c, d).driver)

/* The group gets a host driver. */
#define gets_host(c, g, d) (has(c, d) && group_of(d) == g && way[d].returns && record_of(c, d).driver == host)
#define group_gets_host(c, g) (gets_host(c, g, 0) || gets_host(c, g, 1) || gets_host(c, g, 2))
#ifdef BREAK_STAYS_ON_VFIO
#define must_leave(c, d) group_gets_host(c, group_of(d))
#else
#define must_leave(c, d) ((row[c].assignment == releasing && !row[c].let_go) || group_gets_host(c, group_of(d)))
#endif

inline plan_give_back(c) {
        for (i : 0 .. DEVICES - 1) {
                if
                :: has(c, i) ->
                        way[i].known = is_known(c, i);
                        way[i].leaves = link_of(i) == vfio && record_of(c, i).driver != vfio;
                        way[i].returns = way[i].known && record_of(c, i).driver != nothing && link_of(i) != record_of(c, i).driver;
                        way[i].left = link_of(i) != vfio;
                        way[i].spoiled = false
                :: else
                fi
        }
        for (i : 0 .. DEVICES - 1) {
                if
                :: has(c, i) && link_of(i) == vfio && !way[i].leaves && must_leave(c, i) ->
                        way[i].leaves = true;
                        way[i].returns = true
                :: else
                fi
        }
        op[c].phase = GIVE_BACK
}

#define is_taking(c) (op[c].verb == assign && op[c].state == running)
#define last_phase(c) (is_taking(c) -> 2 : 6)
#ifdef BREAK_OVERRIDE_FIRST
#define OVERRIDES 1
#define UNBINDS 0
#else
#define OVERRIDES 0
#define UNBINDS 1
#endif

#define kind_of(p) (p == OVERRIDES || p == 4 || p == 6 -> set_override : (p == UNBINDS || p == 3 -> unbind : bind))
#define value_of(c, d, p) (p < 4 -> (p == UNBINDS -> host : vfio) : (p == 6 -> record_of(c, d).override : record_of(c, d).driver))
#define wants_step(c, d, p) ( \
        p == OVERRIDES \
        || (p == UNBINDS && record_of(c, d).driver == host) \
        || (p == 2 && record_of(c, d).driver != vfio) \
        || (p == 3 && way[d].leaves) \
        || (p == 4 && way[d].returns && !way[d].spoiled && device[d].override != record_of(c, d).driver) \
        || (p == 5 && way[d].returns && !way[d].spoiled) \
        || (p == 6 && way[d].known && !way[d].spoiled && device[d].override != record_of(c, d).override))

/* --- daemon/operation.c. */

/* Marks the steps of the next phase that has any, as issue_next_phase(); `more` says whether there was one. */
inline issue_next_phase(c) {
        more = false;
        do
        :: !more && op[c].phase <= last_phase(c) ->
                for (i : 0 .. DEVICES - 1) {
                        if
                        :: has(c, i) && way[i].step == planned && wants_step(c, i, op[c].phase) ->
                                way[i].step = issued;
                                more = true
                        :: else
                        fi
                }
                op[c].phase++
        :: else -> break
        od
}

/* Its owner may still have an fd. */
#ifdef BREAK_HELD_BY_DRIVER
#define is_held(c, d) (has(c, d) && link_of(d) == vfio && record_of(c, d).driver != vfio)
#else
#define is_held(c, d) (has(c, d) && link_of(d) == vfio && is_unproven(c, d))
#endif
#define is_unproven(c, d) (has(c, d) && !way[d].left && !row[c].let_go)

/* The transaction that goes before the steps of a phase. */
inline journal_advance(c) {
        row[c].let_go = row[c].assignment == releasing && !any_device(is_unproven, c);
        row[c].verb = op[c].verb;
        row[c].operation = op[c].state;
        for (i : 0 .. DEVICES - 1) {
                if
                :: has(c, i) -> issued_row[i] = (way[i].step == issued -> kind_of((op[c].phase - 1)) : no_step)
                :: else
                fi
        }
}

#define is_written(c, d) (device[d].write != no_step && device[d].writer == c + 1 && !device[d].orphan)

/* send_issued(). One event with the commit: a crash between the two shows nothing that a crash before a thread begins does not. */
inline send_issued(c) {
        for (i : 0 .. DEVICES - 1) {
                if
                :: has(c, i) && way[i].step == issued && !is_written(c, i) ->
                        claim(one_write_a_device, device[i].write == no_step);
                        device[i].write = kind_of((op[c].phase - 1));
                        device[i].value = value_of(c, i, (op[c].phase - 1));
                        device[i].writer = c + 1
                :: else
                fi
        }
}

#ifdef BREAK_COMMIT_FIRST /* what was sent is committed when it has been answered */
#define commit_before(c) skip
#define commit_after(c) journal_advance(c)
#else
#define commit_before(c) journal_advance(c)
#define commit_after(c) skip
#endif

inline begin_phase(c) {
        commit_before(c);
        send_issued(c)
}

#ifdef BREAK_PHASES /* whoever is answered goes on */
#define phase_is_over(c) (!any_device(is_unanswered, c) || any_device(is_answered, c))
#define is_answered(c, d) (has(c, d) && (way[d].step == done || way[d].step == failed))
#else
#define phase_is_over(c) (!any_device(is_unanswered, c))
#endif
#define is_unanswered(c, d) (has(c, d) && way[d].step == issued)

/* What a failed unbind keeps from going to its host driver. */
#ifdef BREAK_SPOILED
#define spoils(c, failed, d) false
#elif defined(BREAK_SPOILS_ITS_GROUP)
#define spoils(c, failed, d) (group_of(d) == group_of(failed))
#else
#define spoils(c, failed, d) has(c, d)
#endif

/* What end_phase() makes of the answers. */
inline end_phase(c) {
        fails = false;
        for (i : 0 .. DEVICES - 1) {
                if
                :: has(c, i) && way[i].step == failed ->
                        fails = true;
                        if
                        :: !is_taking(c) && op[c].phase == GIVE_BACK + 1 ->
                                for (j : 0 .. DEVICES - 1) {
                                        way[j].spoiled = way[j].spoiled || spoils(c, i, j)
                                }
                        :: !is_taking(c) && op[c].phase == GIVE_BACK + 2 -> way[i].returns = false
                        :: else
                        fi
                :: has(c, i) && way[i].step == done && way[i].leaves && op[c].phase == GIVE_BACK + 1 -> way[i].left = true
                :: else
                fi;
                if
                :: has(c, i) && way[i].step != issued -> way[i].step = planned
                :: else
                fi
        }
        op[c].has_failed = op[c].has_failed || fails;
        if
        :: fails && is_taking(c) ->
                op[c].state = undoing;
#ifdef BREAK_UNDO
                op[c].phase = 7
#else
                plan_give_back(c)
#endif
        :: else
        fi
}

/* --- How operations end: journal_end and ended of their owners. */

#define is_on_host(c, d) (has(c, d) && link_of(d) == host)

inline look_at_records(c) {
        is_still_held = false;
        differs = false;
        for (i : 0 .. DEVICES - 1) {
                if
                :: has(c, i) ->
                        is_still_held = is_still_held || is_held(c, i);
                        differs = differs || link_of(i) != record_of(c, i).driver || device[i].override != record_of(c, i).override
                :: else
                fi
        }
}

inline quarantine_what_differs(c) {
        for (i : 0 .. DEVICES - 1) {
                if
                :: has(c, i) && (link_of(i) != record_of(c, i).driver || device[i].override != record_of(c, i).override) ->
#ifndef BREAK_UNDO /* as whoever believes that nothing was done */
                        quarantined[group_of(i)] = true
#endif
                :: else
                fi
        }
        claim(failure_has_a_cause, !differs || faults > 0)
}

inline end_assignment_row(c) {
        row[c].assignment = unassigned;
        row[c].told = false;
        row[c].let_go = false;
        quarantine_what_differs(c);
        for (i : 0 .. DEVICES - 1) {
                row[c].record[i].driver = nothing;
                row[c].record[i].override = nothing
        }
}

#define lacks_vfio(c, d) (has(c, d) && (device[d].driver != vfio || device[d].override != vfio))

inline forget_operation(c) {
        op[c].verb = no_verb;
        op[c].state = closed;
        op[c].phase = 0;
        op[c].has_failed = false;
        op[c].stuck = false;
        op[c].ahead = 0;
        for (i : 0 .. CLIENTS - 1) {
                op[i].ahead = op[i].ahead & ~(1 << c)
        }
}

inline forget_ways(c) {
        for (i : 0 .. DEVICES - 1) {
                if
                :: has(c, i) ->
                        way[i].step = planned;
                        way[i].leaves = false;
                        way[i].returns = false;
                        way[i].known = false;
                        way[i].left = false;
                        way[i].spoiled = false
                :: else
                fi
        }
}

inline owe(c, what) {
        if
        :: request[c] != no_verb -> due[c] = what
        :: else
        fi
}

inline end_operation(c) {
        look_at_records(c);
        if
        :: is_taking(c) ->
                claim(all_or_none, !any_device(lacks_vfio, c));
                row[c].assignment = assigned;
                owe(c, ok)
        :: !is_taking(c) && row[c].assignment == releasing && is_still_held ->
                claim(failure_has_a_cause, faults > 0);
                row[c].assignment = assigned;
                row[c].told = true;
                owe(c, operation_failed)
        :: else ->
                claim(failure_has_a_cause, !op[c].has_failed || faults > 0);
                owe(c, (op[c].has_failed -> operation_failed : ok));
                end_assignment_row(c)
        fi;
        row[c].verb = no_verb;
        row[c].operation = closed;
        for (i : 0 .. DEVICES - 1) {
                if
                :: has(c, i) -> issued_row[i] = no_step
                :: else
                fi
        }
        forget_operation(c);
        forget_ways(c);
        check_always()
}

inline go_on(c) {
        issue_next_phase(c);
        if
        :: more -> op[c].stuck = false; begin_phase(c)
        :: else -> end_operation(c)
        fi
}

/* --- daemon/turn.c, daemon/queue.c: what keeps a request out, and what it waits for. */

#define awaits_worker(c) (recovering[c] && any_device(is_leftover, c))
#define is_leftover(c, d) (device[d].write != no_step && device[d].orphan && device[d].writer == c + 1)
#define is_owned_for(c, o) (share(c, o) && row[o].assignment != unassigned && !runs(o))
#define is_busy_for(c, o) (share(c, o) && runs(o))
#define is_stuck_for(c, o) (share(c, o) && ((runs(o) && op[o].stuck) || recovering[o]))
#define is_quarantined_for(c) ((groups[c] & 1 && quarantined[0]) || (groups[c] & 2 && quarantined[1]))
#define is_ahead_for(c, o) (share(c, o) && op[o].state == waiting)

/* A refusal now or after a wait. */
#define cannot(c) (op[c].verb == assign -> any_client(is_owned_for, c) || is_quarantined_for(c) || row[c].assignment != unassigned \
                                        : row[c].assignment != assigned)
#define is_refused(c) (cannot(c) || any_client(is_stuck_for, c))

inline enqueue(c, what) {
        for (i : 0 .. CLIENTS - 1) {
                if
                :: is_ahead_for(c, i) -> op[c].ahead = op[c].ahead | (1 << i)
                :: else
                fi
        }
        op[c].verb = what;
        op[c].state = waiting;
        row[c].verb = what;
        row[c].operation = waiting
}

inline queue_push(c, what) {
        op[c].verb = what;
        if
        :: is_refused(c) ->
                op[c].verb = no_verb;
                owe(c, refused)
        :: else ->
                enqueue(c, what)
        fi
}

#ifdef BREAK_TAKE_ALL /* group after group, each client from its own end */
byte taken[2];
#define first_of(c) (groups[c] == 3 -> (c == 0 -> 0 : 1) : (groups[c] == 1 -> 0 : 1))
#define may_take(c, g) (op[c].state == waiting && ((groups[c] >> (g)) & 1) && taken[g] == 0 && !any_client(is_busy_for, c) \
                        && (first_of(c) == (g) || taken[first_of(c)] == (c) + 1))
#define it_is_the_turn_of(c) ((!(groups[c] & 1) || taken[0] == (c) + 1) && (!(groups[c] & 2) || taken[1] == (c) + 1))
#else
#define it_is_the_turn_of(c) (op[c].ahead == 0 && !any_client(is_busy_for, c))
#endif

inline end_waiting(c) {
        row[c].verb = no_verb;
        row[c].operation = closed;
        forget_operation(c);
        owe(c, refused)
}

inline begin_assign(c) {
        row[c].assignment = assigning;
        for (i : 0 .. DEVICES - 1) {
                if
                :: has(c, i) ->
                        row[c].record[i].driver = link_of(i);
                        row[c].record[i].override = device[i].override
                :: else
                fi
        }
        op[c].phase = 0
}

/* start() of the operation whose turn it is. */
inline begin_operation(c) {
        if
        :: cannot(c) -> end_waiting(c)
        :: else ->
                for (i : 0 .. CLIENTS - 1) {
                        op[i].ahead = op[i].ahead & ~(1 << c)
                }
                op[c].state = running;
                if
                :: op[c].verb == assign -> begin_assign(c)
                :: else -> row[c].assignment = releasing; plan_give_back(c)
                fi;
                issue_next_phase(c);
                begin_phase(c);
                check_always()
        fi
}

/* --- daemon/recover.c. */

#ifdef BREAK_WAIT_FOR_WORKER
#define may_recover(c) recovering[c]
#else
#define may_recover(c) (recovering[c] && !awaits_worker(c))
#endif

inline begin_recovery(c) {
#ifdef BREAK_RECOVERY /* as interrupted, and that is all */
        row[c].verb = no_verb;
        row[c].operation = closed;
#else
        op[c].verb = recover;
        op[c].state = running;
        plan_give_back(c);
        issue_next_phase(c);
        begin_phase(c);
#endif
        recovering[c] = false
}

#define needs_recovery(c) (row[c].assignment == assigning || row[c].assignment == releasing)

inline recovery_load() {
        ready = false;
        for (i : 0 .. CLIENTS - 1) {
                if
                :: needs_recovery(i) -> recovering[i] = true
                :: else -> row[i].verb = no_verb; row[i].operation = closed /* as interrupted */
                fi
        }
}

#define delays_ready(x, c) ((recovering[c] && !awaits_worker(c)) || (op[c].verb == recover && !op[c].stuck))

/* --- The event loop, as far as it is about client c. */

#define is_idle(c) (request[c] == no_verb && op[c].verb == no_verb)
#define lease_is_over(c) (ready && gone[c] && lease_known[c] && is_idle(c) && row[c].assignment == assigned)
#define is_stuck_at(c, d) (has(c, d) && way[d].step == issued && is_blocked(d))

proctype Daemon(byte c) {
end:    do
        :: d_step {
                ready && request[c] != no_verb && due[c] == no_reply && op[c].verb == no_verb && !recovering[c] ->
                queue_push(c, request[c])
        }
        :: d_step { /* an operation of an earlier daemon, or a lease's */
                ready && request[c] != no_verb && due[c] == no_reply && (recovering[c] || op[c].stuck) ->
                due[c] = (op[c].verb == request[c] -> timed_out : refused)
        }
        :: d_step {
                due[c] != no_reply ->
                reply[c] = due[c];
                due[c] = no_reply;
                request[c] = no_verb
        }
#ifdef BREAK_TAKE_ALL
        :: d_step { may_take(c, 0) -> taken[0] = c + 1 }
        :: d_step { may_take(c, 1) -> taken[1] = c + 1 }
#endif
        :: d_step {
                op[c].state == waiting && it_is_the_turn_of(c) ->
#ifdef BREAK_TAKE_ALL
                taken[0] = (taken[0] == c + 1 -> 0 : taken[0]);
                taken[1] = (taken[1] == c + 1 -> 0 : taken[1]);
#endif
                begin_operation(c)
        }
#ifndef BREAK_WAITS_FOR_STUCK
        :: d_step { /* whoever waits for one that is stuck is told so */
                op[c].state == waiting && any_client(is_stuck_for, c) ->
                end_waiting(c)
        }
#endif
        :: d_step {
                runs(c) && phase_is_over(c) ->
                end_phase(c);
                commit_after(c);
                go_on(c)
        }
        :: d_step { /* worker_lost(), once its socket has no other end: all its threads are gone */
                lost_worker[c] && !any_device(is_written, c) ->
                for (i : 0 .. DEVICES - 1) {
                        if
                        :: has(c, i) && way[i].step == issued -> way[i].step = failed /* STEP_UNKNOWN */
                        :: else
                        fi
                }
                lost_worker[c] = false
        }
        :: d_step {
                runs(c) && !op[c].stuck && any_device(is_stuck_at, c) ->
                op[c].stuck = true
        }
#ifdef BREAK_COMMIT_BEFORE_REPLY
        :: d_step {
                request[c] != no_verb && runs(c) && !op[c].has_failed && op[c].phase == last_phase(c) + 1 && phase_is_over(c) ->
                reply[c] = ok;
                request[c] = no_verb
        }
#endif
        :: d_step { /* lease_settle() */
                lease_is_over(c) ->
                enqueue(c, release)
        }
        :: d_step {
                may_recover(c) ->
                begin_recovery(c)
        }
        :: d_step {
                !ready && !any_client(delays_ready, 0) ->
                ready = true
        }
        od
}

/* --- The clients. */

#define owns(c) (ready && row[c].assignment == assigned && op[c].verb == no_verb)
#define holds(c) ((device[0].held | device[1].held | device[2].held) & (1 << (c)))

inline ask(c, what) {
        d_step {
                reply[c] = no_reply;
                request[c] = what
        }
        reply[c] != no_reply
}

/* It gets an fd only of what it owns. */
inline open_one_or_none(c) {
        if
        :: d_step { owns(c) && has(c, 0) && device[0].driver == vfio -> device[0].held = device[0].held | (1 << c); check_always() }
        :: d_step { owns(c) && has(c, 1) && device[1].driver == vfio -> device[1].held = device[1].held | (1 << c); check_always() }
        :: d_step { owns(c) && has(c, 2) && device[2].driver == vfio -> device[2].held = device[2].held | (1 << c); check_always() }
        :: skip
        fi
}

inline give_back(c) {
        do
        :: ask(c, release);
                if
                :: reply[c] == ok ->
                        claim(row_before_reply, row[c].assignment == unassigned);
                        break
                :: reply[c] == connection_lost || reply[c] == operation_failed ->
                        ready;
                        if
                        :: owns(c) /* and asks once more */
                        :: else -> break
                        fi
                :: else -> break
                fi
        od
}

proctype Client(byte c) {
        ask(c, assign);
        claim(row_before_reply, reply[c] != ok || row[c].assignment == assigned);
        ready;
        if
        :: reply[c] == ok || (reply[c] == connection_lost && row[c].assignment == assigned) ->
                open_one_or_none(c);
                give_back(c)
        :: else
        fi
}

/* What `assign-ctl run` is: it ends, or is killed at any moment, and never asks for a release. */
proctype LeasedClient(byte c) {
        d_step {
                leased[c] = true;
                lease_known[c] = true;
                request[c] = assign
        }
        if
        :: reply[c] != no_reply
        :: skip
        fi;
        if
        :: reply[c] == ok -> open_one_or_none(c)
        :: else
        fi;
        gone[c] = true
}

/* An fd outlives its owner where it was passed on; some are never closed. */
proctype Holder(byte c) {
end:    holds(c);
        if
        :: d_step {
                device[0].held = device[0].held & ~(1 << c);
                device[1].held = device[1].held & ~(1 << c);
                device[2].held = device[2].held & ~(1 << c)
        }
        :: skip
        fi
}

/* --- Everything else that happens on a host. */

/* Nothing is lost by a crash where there is nothing to do. */
#define has_work(x, c) (!is_idle(c) || due[c] != no_reply || recovering[c] || lease_is_over(c))

/* And the next daemon. */
inline crash() {
        for (j : 0 .. CLIENTS - 1) {
                if
                :: request[j] != no_verb -> request[j] = no_verb; reply[j] = connection_lost
                :: else
                fi;
                due[j] = no_reply;
                recovering[j] = false;
                lost_worker[j] = false;
#ifdef BREAK_LEASE_DIES_WITH_DAEMON
                lease_known[j] = false;
#endif
                forget_operation(j);
                forget_ways(j)
        }
        for (j : 0 .. DEVICES - 1) {
                device[j].orphan = device[j].write != no_step
        }
#ifdef BREAK_TAKE_ALL
        taken[0] = 0;
        taken[1] = 0;
#endif
        recovery_load();
        crashes++
}

/* Its group is being taken, or taken. */
#define is_kept(d, c) (has(c, d) && (row[c].assignment == assigned \
                       || (row[c].assignment == assigning && row[c].verb == assign && row[c].operation == running)))

/* A module is loaded, or somebody writes to drivers_probe. */
inline probe(d) {
        if
        :: device[d].override != vfio ->
                claim(kept_off_the_host, !any_client(is_kept, d));
                device[d].driver = host
        :: else ->
                faults++;
                device[d].driver = vfio
        fi;
        check_always()
}

#define may_probe(d) (device[d].driver == nothing && (device[d].override != vfio || faults < FAULTS))

inline kill_worker(c) {
        for (i : 0 .. DEVICES - 1) {
                if
                :: is_written(c, i) && !device[i].started -> drop(i)
                :: else
                fi
        }
        faults++;
        lost_worker[c] = true
}

#define may_kill(c) (faults < FAULTS && !lost_worker[c] && any_device(is_written, c))

proctype World() {
end:    do
        :: d_step { crashes < CRASHES && any_client(has_work, 0) -> crash() }
        :: d_step { may_probe(0) -> probe(0) }
        :: d_step { may_probe(1) -> probe(1) }
        :: d_step { may_probe(2) -> probe(2) }
        :: d_step { may_kill(0) -> kill_worker(0) }
        :: d_step { may_kill(CLIENTS - 1) -> kill_worker(CLIENTS - 1) }
        od
}

/* --- At rest, when nothing can happen any more. */

#define is_blocked_for(c, d) (has(c, d) && device[d].write != no_step && is_blocked(d))
#define is_nobodys(d) (!any_client(has_row, d))
#define has_row(d, c) (has(c, d) && row[c].assignment != unassigned)
#define is_as_before(d) (device[d].driver == before[d].driver && device[d].override == before[d].override)

proctype Rest() {
        timeout ->
        d_step {
                claim(every_request_is_answered, ready);
                for (k : 0 .. CLIENTS - 1) {
                        claim(every_request_is_answered, request[k] == no_verb && op[k].state != waiting);
                        claim(at_rest_nothing_is_open, (row[k].assignment != assigning && row[k].assignment != releasing
                                                        && row[k].operation == closed) || any_device(is_blocked_for, k));
                        claim(all_or_none, row[k].assignment != assigned || !any_device(is_on_host, k));
                        claim(all_or_none, row[k].assignment != assigned || row[k].told || !any_device(lacks_vfio, k));
                        claim(lease_ends_assignment, !gone[k] || row[k].assignment != assigned)
                }
                for (k : 0 .. DEVICES - 1) {
                        claim(given_back_exactly, !is_nobodys(k) || is_as_before(k) || quarantined[group_of(k)])
                }
                claim(failure_has_a_cause, faults > 0 || !(quarantined[0] || quarantined[1]))
        }
}

inline make_device(d, what) {
        device[d].driver = what;
        device[d].override = (what == vfio -> vfio : nothing);
        device[d].write = no_step;
        device[d].value = nothing;
        before[d].driver = device[d].driver;
        before[d].override = device[d].override;
        way[d].step = planned;
        issued_row[d] = no_step
}

init {
        atomic {
                d_step {
                        for (k : 0 .. CLIENTS - 1) {
                                op[k].verb = no_verb;
                                op[k].state = closed;
                                row[k].assignment = unassigned;
                                row[k].verb = no_verb;
                                row[k].operation = closed;
                                for (j : 0 .. DEVICES - 1) {
                                        row[k].record[j].driver = nothing;
                                        row[k].record[j].override = nothing
                                }
                                request[k] = no_verb;
                                reply[k] = no_reply;
                                due[k] = no_reply
                        }
                        make_device(0, host);
                        make_device(1, host);
                        make_device(2, host)
                }
                if /* the second device of each kind was on its VFIO driver before, as driverctl or a reservation leaves it */
                :: skip
                :: make_device(1, vfio); make_device(2, vfio)
                fi;
                groups[0] = 3;
                ready = true;
                run Kernel(0);
                run Kernel(1);
                run Kernel(2);
                run Daemon(0);
                run Holder(0);
#if CLIENTS == 1
                if
                :: run Client(0)
                :: run LeasedClient(0)
                fi;
#else
                if
                :: groups[1] = 1
                :: groups[1] = 3
                fi;
                run Client(0);
                run LeasedClient(1);
                run Daemon(1);
                run Holder(1);
#endif
#if CLIENTS == 3
                groups[2] = 2;
                run Client(2);
                run Daemon(2);
                run Holder(2);
#endif
                run World();
                run Rest()
        }
}
