/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reading answers in tests: what is not there or not of that type fails the test. */

#include <systemd/sd-bus.h>

#include "base/macro.h"

/* Moves to the value of `key` in the a{sv} at the message's position and enters its variant, which must hold `type`. */
void message_find(sd_bus_message *m, const char *key, const char *type);

/* The same, reading the value. Texts are borrowed from the message. The message is then at its beginning again. */
const char *message_get_text(sd_bus_message *m, const char *key);
bool message_get_bool(sd_bus_message *m, const char *key);

/* The 'as' of `key`, its texts joined by blanks; the caller frees it. */
char *message_get_texts(sd_bus_message *m, const char *key);

/* How many dictionaries the aa{sv} of `key` holds whose entry `field` has the text `text` (NULL: all of them). */
unsigned message_count(sd_bus_message *m, const char *key, const char *field, const char *text);

/* The same for the a{sv} at the message's position, moving behind it. */
unsigned message_pass_count(sd_bus_message *m, const char *key, const char *field, const char *text);

/* The blockers in the body of an error (s message, aa{sv} blockers) that have the code (NULL: all). */
unsigned message_count_blockers(sd_bus_message *error, const char *code);

/* The text of `key` in the a{sv} at the message's position, moving behind it. NULL: there is none, or it is no text. */
const char *message_pass_text(sd_bus_message *m, const char *key);
