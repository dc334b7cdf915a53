/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Calls of Plan that wait until somebody has looked who has the devices open. */

#include "dbus/bus.h"

typedef struct PlanCall PlanCall;

/* Nobody waits for plans to `sender` any more. */
void plan_forget_sender(Bus *bus, const char *sender);

/* They get no answer. */
void plan_free_all(Bus *bus);
