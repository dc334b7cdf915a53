/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Names that the daemon and its clients share; the command line includes nothing else of this folder. */

#define ASSIGND_BUS_NAME "org.assignd1"
#define ASSIGND_MANAGER_PATH "/org/assignd1"
#define ASSIGND_DEVICE_PREFIX "/org/assignd1/device"
#define ASSIGND_GROUP_PREFIX "/org/assignd1/group"
#define ASSIGND_ASSIGNMENT_PREFIX "/org/assignd1/assignment"
#define ASSIGND_OPERATION_PREFIX "/org/assignd1/operation"

#define ASSIGND_MANAGER_INTERFACE "org.assignd1.Manager"
#define ASSIGND_DEVICE_INTERFACE "org.assignd1.Device"
#define ASSIGND_GROUP_INTERFACE "org.assignd1.Group"
#define ASSIGND_ASSIGNMENT_INTERFACE "org.assignd1.Assignment"
#define ASSIGND_OPERATION_INTERFACE "org.assignd1.Operation"

#define ASSIGND_ERROR_PREFIX "org.assignd1.Error."
#define ASSIGND_ERROR_NOT_VIABLE ASSIGND_ERROR_PREFIX "NotViable"
#define ASSIGND_ERROR_BUSY ASSIGND_ERROR_PREFIX "Busy"
#define ASSIGND_ERROR_OWNED ASSIGND_ERROR_PREFIX "Owned"
#define ASSIGND_ERROR_LABEL_CONFLICT ASSIGND_ERROR_PREFIX "LabelConflict"
#define ASSIGND_ERROR_DENIED ASSIGND_ERROR_PREFIX "Denied"
#define ASSIGND_ERROR_NO_SUCH_DEVICE ASSIGND_ERROR_PREFIX "NoSuchDevice"
#define ASSIGND_ERROR_NO_SUCH_GROUP ASSIGND_ERROR_PREFIX "NoSuchGroup"
#define ASSIGND_ERROR_NO_SUCH_OWNER ASSIGND_ERROR_PREFIX "NoSuchOwner"
#define ASSIGND_ERROR_IDENTITY_CHANGED ASSIGND_ERROR_PREFIX "IdentityChanged"
#define ASSIGND_ERROR_TIMEOUT ASSIGND_ERROR_PREFIX "Timeout"
#define ASSIGND_ERROR_CANCELLED ASSIGND_ERROR_PREFIX "Cancelled"
#define ASSIGND_ERROR_STUCK ASSIGND_ERROR_PREFIX "Stuck"
#define ASSIGND_ERROR_QUARANTINED ASSIGND_ERROR_PREFIX "Quarantined"
#define ASSIGND_ERROR_LIMITS_EXCEEDED ASSIGND_ERROR_PREFIX "LimitsExceeded"
#define ASSIGND_ERROR_INVALID_TARGET ASSIGND_ERROR_PREFIX "InvalidTarget"
#define ASSIGND_ERROR_DEGRADED ASSIGND_ERROR_PREFIX "Degraded"

/* What was asked about while somebody was asked for permission is not so any more. */
#define ASSIGND_ERROR_STALE_GENERATION ASSIGND_ERROR_PREFIX "StaleGeneration"

/* Without an option saying otherwise, a method that does work replies at the end of the work or after this. */
#define ASSIGND_TIMEOUT_USEC_DEFAULT (20 * 1000000ULL)

/* The system bus carries no more in one message (max_message_unix_fds in its system.conf). */
#define ASSIGND_FDS_MAX 16U
