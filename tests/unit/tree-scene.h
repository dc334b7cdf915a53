/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the tests of host/tree.h have in common: trees to read, and reading that must succeed. */

#include "host/tree.h"
#include "tests/tree/treegen.h"

#define _cleanup_tree_ _cleanup_(treegen_freep)
#define _cleanup_facts_ _cleanup_(facts_done)

TreeGen *empty_tree(void);
TreeGen *lab_tree(void);

/* A tree with one interesting function, ONE, in group 7. */
#define ONE "0000:01:00.0"
TreeGen *tree_of_one(void);

/* Edits of ONE that no kernel would make. */
void put_link(const TreeGen *tree, const char *attribute, const char *target);
void put_directory(const TreeGen *tree, const char *attribute);
void take_away(const TreeGen *tree, const char *attribute);

Facts read_tree(const TreeGen *tree);
Device *read_device(const TreeGen *tree, const char *text);
Group *read_group(const TreeGen *tree, uint32_t number);

PciAddress address_of(const char *text);
const Device *device_of(const Facts *facts, const char *text);
