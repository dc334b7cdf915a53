/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Tells the bus what the manager tells its observer. Objects that appear and vanish are announced at once; changes of
 * properties are gathered and sent in the next turn of the event loop, once an object, with the values it has then. Nothing
 * that keeps the loop busy holds them up. */

#include "dbus/bus.h"

typedef struct Announcer Announcer;

int announcer_new(Bus *bus, Announcer **ret);
Announcer *announcer_free(Announcer *announcer);
DEFINE_CLEANUP(Announcer *, announcer_free)

Bus *announcer_bus(const Announcer *announcer);

/* The bus name is ours: from now on there may be somebody to tell. */
void announcer_enable(Announcer *announcer);

/* The callbacks but for `ready`, with the announcer as userdata. */
extern const ManagerObserver announcer_callbacks;
