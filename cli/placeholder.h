/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Placeholders for fds in the arguments of a command: {iommufd}, {container}, {fd:ADDRESS}, {group:ADDRESS}.
 *
 * Anything of the form {word} or {word:text} (lower-case letters, not right behind a "$") is a placeholder; one that is not of
 * these four is a mistake. A second brace in front makes it ordinary text: {{print} stands for {print}. Other braces, as in
 * JSON, are left alone. */

#include "base/pci-address.h"

typedef enum PlaceholderKind {
        PLACEHOLDER_IOMMUFD,
        PLACEHOLDER_CONTAINER,
        PLACEHOLDER_FD,
        PLACEHOLDER_GROUP,
        PLACEHOLDER_WRONG, /* unknown word, or no address where one belongs, or one where none does */
} PlaceholderKind;

typedef struct Placeholder {
        PlaceholderKind kind;
        PciAddress address; /* of FD and GROUP */
        const char *text;   /* borrowed from the argument: where it begins, */
        size_t length;      /* and how long it is, with both braces */
} Placeholder;

/* The first placeholder at or behind `s`: 1 and *ret, or 0. */
int placeholder_find(const char *s, Placeholder *ret);

/* Gives the fd that a placeholder stands for: 0, or a negative errno. */
typedef int (*placeholder_resolve_t)(const Placeholder *placeholder, void *userdata, int *ret_fd);

/* A copy of `s` with every placeholder replaced by its fd's number. Returns 0, -ENOMEM, or what `resolve` failed with. */
int placeholder_expand(const char *s, placeholder_resolve_t resolve, void *userdata, char **ret);

/* Whether the text names this device by address, long or (domain 0) short, wherever it stands in it. */
bool text_names_device(const char *s, const PciAddress *device);
