/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-bus.h>

/* Asks assignd for the group of `address` and gives it back, over a connection that stays. */
void assign_and_release(sd_bus *bus, const char *address);
