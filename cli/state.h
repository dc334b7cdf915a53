/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cli/table.h"

/* The colour of a group's state; COLOR_NONE for NULL and for a state that is not known. */
Color state_color(const char *state);
