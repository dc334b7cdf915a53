/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

/* The writes by which assignd takes the functions of a group to vfio-pci and back, in its order, one after another, with
 * nothing around them: no record, no undo, no other process. All functions are on `driver` and have no override. */
void bare_assign_and_release(char *const *addresses, size_t n_addresses, const char *driver);
