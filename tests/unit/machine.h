/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A machine on paper: facts written by hand, and a kernel that is only rules, so that plans can be carried out on them.
 * Failures of the fixture itself end the test. */

#include "policy/plan.h"

/* Adds a function; `class` has 24 bits, base class 06 is a bridge. `driver` and `driver_override` may be NULL. */
Device *machine_add(Facts *facts, const char *address, uint32_t class, uint32_t group, const char *driver, const char *driver_override);

/* The group `number`, made if it is not there. */
Group *machine_group(Facts *facts, uint32_t number);
void machine_add_other(Facts *facts, uint32_t group, const char *name, const char *subsystem, const char *driver);
void machine_add_region(Facts *facts, uint32_t group, uint64_t start, uint64_t end, const char *type);

/* To be called when all is added. */
void machine_link(Facts *facts);

Device *machine_device(const Facts *facts, const char *address);
void machine_set_driver(Facts *facts, const char *address, const char *driver);
void machine_set_override(Facts *facts, const char *address, const char *driver_override);

/* A string array for the length of an expression: targets, ... */
#define TARGETS(...) ((char **) (const char *[]){ __VA_ARGS__, NULL })

/* Records of what `targets` select, for vfio-pci. */
RecordList machine_record(const Facts *facts, char *const *targets);

/* Carries out one step as the kernel would (drivers/base/bus.c, bind_store and unbind_store; drivers/pci/pci-driver.c,
 * pci_match_device): -ENODEV to unbind from a driver the device is not on, or to bind a driver that its override excludes or
 * that needs an override and has none; -EBUSY to bind a device that has a driver, or a host driver while a member of the
 * group is held. `held` (may be NULL) are the addresses that an owner may still use; leaving the driver ends that. */
typedef struct Held {
        PciAddress items[64];
        size_t n_items;
} Held;
int machine_apply(Facts *facts, const Step *step, Held *held);

/* "unbind 0000:02:00.1 e1000e", "set-override 0000:02:00.0 -" and so on, one line a step, a line "--" between phases. */
char *machine_plan_text(const Plan *plan);
