/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Object paths, from what they stand for and back. The parsers take only what the formatters give. */

#include "base/pci-address.h"
#include "dbus/names.h"

/* Room for the longest path of ours and its NUL. */
#define OBJECT_PATH_MAX 64U

/* "/org/assignd1/device/0000_02_00_0". Returns `buffer`. */
const char *path_format_device(const PciAddress *address, char buffer[static OBJECT_PATH_MAX]);

/* `prefix` (one of ASSIGND_*_PREFIX) and a number: "/org/assignd1/group/14". Returns `buffer`. */
const char *path_format_number(const char *prefix, uint64_t number, char buffer[static OBJECT_PATH_MAX]);

/* In compound literals, for use within one expression. */
#define PATH_OF_DEVICE(address) path_format_device((address), (char[OBJECT_PATH_MAX]){})
#define PATH_OF_NUMBER(prefix, number) path_format_number((prefix), (number), (char[OBJECT_PATH_MAX]){})

/* 0, or -EINVAL for any other path. */
int path_parse_device(const char *path, PciAddress *ret);
int path_parse_number(const char *path, const char *prefix, uint64_t *ret);
