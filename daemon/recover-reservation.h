/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reservations that an earlier daemon left.
 *
 *   reservation, operation           same boot                          another boot
 *   active, none open                stays as it is                     put into the kernel once more
 *   active, reserve open             put into the kernel once more      put into the kernel once more
 *   reserving, reserve open          given back, then undone            undone
 *   releasing, unreserve open        given back, then ended             ended
 *
 * Another boot has other group numbers, and may have other devices: who is not there, or another device now, is left alone and told of,
 * and the reservation stays. A group that is not viable now, or quarantined, is left alone as a whole until it is recovered
 * (daemon/recover-group.h), or the next start. */

#include "daemon/recover.h"

/* Loads them, noting which are over. Returns 0 or a negative errno. */
int recovery_load_reservations(Manager *manager);

/* Whether somebody still has to see to what an operation of this boot on the group left. */
bool recovery_needs_group(const Manager *manager, Verb verb, uint32_t number);

/* Notes that a reserve of this boot on this group did not end. */
void recovery_note_reserve(Manager *manager, uint32_t number);

/* Ends those that another boot has undone, inside an open transaction; recovery_drop_rebooted() follows the commit. */
int recovery_end_rebooted_reservations(Manager *manager);
void recovery_drop_rebooted_reservations(Manager *manager);

/* What its devices are now becomes what they were before; in memory, not in the rows. Returns 0 or -ENOMEM. */
int recovery_take_reservation_anew(Manager *manager, Reservation *reservation);

/* After the first look at the host: where the devices of those of another boot are now. Returns 0 or -ENOMEM. */
int recovery_locate_reservations(Manager *manager);

/* Begins what can be begun now. Returns 0 or a negative errno. */
int recovery_begin_reservations(Manager *manager);
