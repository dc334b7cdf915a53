/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* org.assignd1 on the system bus: shows the manager to the world and carries requests to it. One file an interface
 * (bus-manager.c, bus-device.c, ...), each with its table of methods and properties; the objects are not kept anywhere but
 * found in the manager when somebody asks for them. */

#include <systemd/sd-bus.h>

#include "daemon/manager.h"
#include "dbus/authorize.h"

typedef struct Bus Bus;

/* What a property getter or method gets as its userdata: the object that the path meant when it was called. */
typedef struct DeviceView {
        Bus *bus;
        const Device *device;
} DeviceView;

typedef struct GroupView {
        Bus *bus;
        const Group *group;
} GroupView;

typedef struct AssignmentView {
        Bus *bus;
        const Assignment *assignment;
} AssignmentView;

typedef struct OperationView {
        Bus *bus;
        Operation *operation;
} OperationView;

/* The bus name is taken (0), or is not: a negative errno, after logging why. */
typedef void (*bus_shown_t)(int error, void *userdata);

struct Bus {
        Manager *manager; /* borrowed */
        sd_event *event;
        sd_bus *bus;
        Authorizer *authorizer;
        struct Announcer *announcer;
        bool announcing; /* to root, who alone hears it */
        struct ModuleRequests *modules;
        struct Reply *replies;
        size_t n_replies;
        struct PlanCall *plans;
        size_t n_plans;
        bus_shown_t shown;
        void *shown_userdata;

        DeviceView device_view;
        GroupView group_view;
        AssignmentView assignment_view;
        OperationView operation_view;
};

/* Connects to the system bus and puts all objects there, without the name: nobody knows of us yet. Sets itself as the
 * manager's observer and module loader, so it comes after manager_new() and before manager_start(). When the manager is
 * ready the name is asked for, and `shown` called. When the connection ends, the event loop does, with EXIT_FAILURE.
 * Returns 0 or a negative errno. */
int bus_new(sd_event *event, Manager *manager, bus_shown_t shown, void *userdata, Bus **ret);

/* Calls that wait get no reply; operations are left alone. Comes before manager_free(). */
Bus *bus_free(Bus *bus);
DEFINE_CLEANUP(Bus *, bus_free)

/* What each interface's file has. */
extern const sd_bus_vtable manager_vtable[];
extern const sd_bus_vtable device_vtable[];
extern const sd_bus_vtable group_vtable[];
extern const sd_bus_vtable assignment_vtable[];
extern const sd_bus_vtable operation_vtable[];

/* Answers with the refusal; who is not root is not told others' owners and labels. Returns 1 or a negative errno. */
int bus_refuse(const Bus *bus, sd_bus_message *call, const Refusal *refusal);

/* Whether the owner and label of what user `uid` holds go into the answer or announcement that is being written. */
bool bus_shows_holder(const Bus *bus, uid_t uid);

/* Whether an assignment is shown: not before it holds its groups. */
bool assignment_is_visible(const Assignment *assignment);
size_t assignment_count_visible(const Manager *manager);

/* The groups' viability; see viability_check(). Returns 0 or -ENOMEM, the caller frees *ret. */
int group_blockers(const Bus *bus, const Group *group, BlockerList *ret);
