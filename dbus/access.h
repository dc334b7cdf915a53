/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The one table of who may reach what: every method, property and signal that there is on our objects, each with the action that guards
 * it. What is not in it is for nobody but root. tests/bus/test-bus-table.c holds it against the vtables, the XML files and the bus policy. */

#include <systemd/sd-bus.h>

#include "base/macro.h"

/* What polkit is asked about ("org.assignd1.view" and so on; systemd/org.assignd1.policy says who may by default). */
typedef enum Action {
        ACTION_VIEW,           /* see devices, groups, assignments and operations */
        ACTION_ASSIGN,         /* take devices off the host for an owner, and open them */
        ACTION_RELEASE,        /* give back what the caller holds */
        ACTION_RELEASE_OTHERS, /* open, give back or extend what another user holds */
        ACTION_RESERVE,        /* keep groups off the host, give them back to it, put right what went wrong */
        ACTION_LABEL,
        ACTION_POLICY, /* read and reload policy, scan the devices afresh */
        ACTION_AUDIT,  /* read the trail, which names everybody */
        ACTION_OVERRIDE_SAFETY,
        _ACTION_MAX,
} Action;

/* "org.assignd1.view", ... */
const char *action_to_id(Action action);

/* What one does, for people, after "may not": "assign devices", ... */
const char *action_to_phrase(Action action);

typedef enum MemberKind {
        MEMBER_METHOD,
        MEMBER_PROPERTY,
        MEMBER_SIGNAL, /* broadcast, and the bus lets nobody but root hear them */
} MemberKind;

/* What a call is about, beside its action: where the devices are that are asked about. */
typedef enum AccessSubject {
        SUBJECT_HOST,       /* all of it */
        SUBJECT_ASSIGN,     /* (owner s, targets as, options a{sv}) */
        SUBJECT_RELEASE,    /* (owner s, options a{sv} with "targets") */
        SUBJECT_TARGETS,    /* (targets as, options a{sv}) */
        SUBJECT_TARGET,     /* (target s, label s, options a{sv}) */
        SUBJECT_ASSIGNMENT, /* the assignment whose object it is */
        SUBJECT_OPERATION,  /* the operation whose object it is */
} AccessSubject;

typedef struct Access {
        const char *interface;
        const char *member;
        MemberKind kind;
        Action action;
        AccessSubject subject;
        const char *verb; /* as polkit and policy know it; NULL: "view" */
} Access;

extern const Access access_table[];
extern const size_t access_table_length;

/* NULL: not in the table. */
const Access *access_find(MemberKind kind, const char *interface, const char *member);

/* The entry that guards a call: the method's; for Properties.Get the property's. NULL: nobody but root may call it. The message is rewound. */
const Access *access_find_call(sd_bus_message *call);
