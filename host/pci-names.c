/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/pci-names.h"

#include <pci/pci.h>
#include <search.h>
#include <setjmp.h>
#include <string.h>

#include "base/strutil.h"

#define NAME_BUFFER 512
#define NAME_MAX_ESCAPED 255

struct PciNames {
        struct pci_access *access;
        void *entries; /* tsearch() tree of Entry */
};

typedef struct Entry {
        uint16_t vendor;
        uint16_t device;
        char *name; /* NULL: the database knows neither */
} Entry;

/* libpci calls this where it wants to end the process, and goes on into undefined behaviour if it returns; it passes nothing
 * that would lead to the call it was in, so the way out of that call has to be kept beside it. */
static _Thread_local jmp_buf *way_out;

static void leave_libpci(char *message, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void leave_libpci(char *message, ...) {
        longjmp(*way_out, 1);
}

static void say_nothing(char *message, ...) __attribute__((format(printf, 1, 2)));

static void say_nothing(char *message, ...) {
}

int pci_names_new(const char *path, PciNames **ret) {
        _cleanup_(pci_names_freep) PciNames *names = calloc(1, sizeof(PciNames));
        char *copy;

        if (!names)
                return -ENOMEM;

        /* Looking up names needs no pci_init(), which would go for the hardware. */
        names->access = pci_alloc();
        names->access->error = leave_libpci;
        names->access->warning = say_nothing;
        names->access->debug = say_nothing;
        names->access->id_lookup_mode = 0; /* not PCI_LOOKUP_CACHE: no cache of DNS answers in anybody's home directory */
        if (path) {
                copy = strdup(path);
                if (!copy)
                        return -ENOMEM;
                pci_set_name_list_path(names->access, copy, true);
        }

        *ret = TAKE_PTR(names);
        return 0;
}

static void entry_free(void *p) {
        Entry *entry = p;

        free(entry->name);
        free(entry);
}

PciNames *pci_names_free(PciNames *names) {
        if (!names)
                return NULL;
        tdestroy(names->entries, entry_free);
        if (names->access)
                pci_cleanup(names->access);
        free(names);
        return NULL;
}

/* What pci_lookup_name() finds, in `buffer`; NULL: nothing. A database that breaks off or turns into garbage keeps the names
 * read up to there: libpci closes the file before it complains (lib/names-parse.c, pci_load_name_list). */
static const char *look_up(PciNames *names, int what, unsigned vendor, unsigned device, char buffer[static NAME_BUFFER]) {
        const int flags = what | PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;
        const char *volatile found = NULL;
        volatile unsigned attempts = 0;
        jmp_buf here;

        way_out = &here;
        (void) setjmp(here);
        if (attempts < 2) {
                attempts = attempts + 1;
                found = pci_lookup_name(names->access, buffer, NAME_BUFFER, flags, vendor, device);
        }
        way_out = NULL;
        return found;
}

static int compose_name(PciNames *names, const PciIdentity *identity, char **ret) {
        char vendor_buffer[NAME_BUFFER], device_buffer[NAME_BUFFER], text[2 * NAME_BUFFER];
        const char *vendor, *device;

        vendor = look_up(names, PCI_LOOKUP_VENDOR, identity->vendor, 0, vendor_buffer);
        device = look_up(names, PCI_LOOKUP_DEVICE, identity->vendor, identity->device, device_buffer);
        if (!vendor && !device) {
                *ret = NULL;
                return 0;
        }

        (void) snprintf(text, sizeof(text), "%s%s%s", vendor ? vendor : "", vendor && device ? " " : "", device ? device : "");
        return string_escape(text, NAME_MAX_ESCAPED, ret);
}

static int compare_entries(const void *a, const void *b) {
        const Entry *x = a, *y = b;

        if (x->vendor != y->vendor)
                return x->vendor < y->vendor ? -1 : 1;
        return (x->device > y->device) - (x->device < y->device);
}

int pci_names_lookup(PciNames *names, const PciIdentity *identity, const char **ret) {
        Entry key = {.vendor = identity->vendor, .device = identity->device}, *entry, **slot;
        int r;

        slot = tfind(&key, &names->entries, compare_entries);
        if (!slot) {
                r = compose_name(names, identity, &key.name);
                if (r < 0)
                        return r;
                entry = malloc(sizeof(Entry));
                slot = entry ? tsearch(&key, &names->entries, compare_entries) : NULL;
                if (!slot) {
                        free(key.name);
                        free(entry);
                        return -ENOMEM;
                }
                *entry = key;
                *slot = entry;
        }

        *ret = (*slot)->name;
        return 0;
}
