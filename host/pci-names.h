/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Vendor and device names from libpci's database (pci.ids). Nothing is asked over the network, of udev's hardware database or
 * of a cache, and libpci's habit of calling exit() on errors is switched off (but for memory running out in pci_alloc()). */

#include "policy/facts.h"

typedef struct PciNames PciNames;

/* `path` NULL is the system's database. A database that is missing or unreadable gives names that are all unknown: 0. One
 * that turns into garbage half-way gives the names up to there. It is read at the first lookup. */
int pci_names_new(const char *path, PciNames **ret);
PciNames *pci_names_free(PciNames *names);
DEFINE_CLEANUP(PciNames *, pci_names_free)

/* "Intel Corporation 82574L Gigabit Network Connection", or the vendor alone; NULL in *ret where the database knows neither.
 * The text is borrowed, at most 255 bytes, shared between equal identities and lives as long as `names`; bytes that are not
 * printable are escaped. Returns 0 or -ENOMEM. */
int pci_names_lookup(PciNames *names, const PciIdentity *identity, const char **ret);
