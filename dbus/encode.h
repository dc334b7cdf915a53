/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Puts our values into messages: entries of a{sv} dictionaries by name, and the few compound values that occur in several
 * places. Text from anywhere goes through here: what is not valid UTF-8 (which would make sd-bus refuse the whole message) is
 * escaped, and NULL becomes "". All return 0 or a negative errno. */

#include <systemd/sd-bus.h>

#include "base/node-access.h"
#include "policy/blocker.h"
#include "policy/facts.h"

/* One 's', without a key. */
int encode_text(sd_bus_message *m, const char *text);

/* Dictionary entries. */
int encode_string(sd_bus_message *m, const char *key, const char *value);
int encode_path(sd_bus_message *m, const char *key, const char *path);
int encode_bool(sd_bus_message *m, const char *key, bool value);
int encode_u32(sd_bus_message *m, const char *key, uint32_t value);
int encode_u64(sd_bus_message *m, const char *key, uint64_t value);
int encode_strv(sd_bus_message *m, const char *key, char *const *value);
int encode_u32_array(sd_bus_message *m, const char *key, const uint32_t *values, size_t n);

/* An a{sv}: who may open nodes, as {user u, group u, mode u, context s}; NULL: empty. */
int encode_node_access(sd_bus_message *m, const NodeAccess *access);

/* Opens and closes an entry whose value the caller writes in between. */
int encode_entry_open(sd_bus_message *m, const char *key, const char *signature);
int encode_entry_close(sd_bus_message *m);

/* An 'as'. */
int encode_text_array(sd_bus_message *m, char *const *texts);

/* "0000:02:00.0"; an 'as' of addresses. */
int encode_address(sd_bus_message *m, const PciAddress *address);
int encode_addresses(sd_bus_message *m, const PciAddress *addresses, size_t n);

/* An 'ao' of the groups' objects. */
int encode_group_paths(sd_bus_message *m, const uint32_t *groups, size_t n);

/* An aa{sv}, each blocker as {code s, device s ("": the group as a whole), group u, detail s, overridable b}. */
int encode_blockers(sd_bus_message *m, const BlockerList *blockers);

/* An aa{sv}: the PCI devices of the group as {Address, Role, Vendor, Device, Class, Name, Driver, DriverOverride}, all s. */
int encode_members(sd_bus_message *m, const Group *group);

/* The entries of all properties of `vtable` (at most _SD_BUS_VTABLE_END), read with their getters from `userdata`: so that lists
 * and properties can never say different things. Every property needs a getter. */
int encode_properties(sd_bus_message *m, const sd_bus_vtable *vtable, sd_bus *bus, void *userdata);
