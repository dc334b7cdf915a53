/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/placeholder.h"

#include <string.h>

#include "base/strutil.h"

#define LOWER_CASE "abcdefghijklmnopqrstuvwxyz"
#define ADDRESS_CHARACTERS "0123456789abcdefABCDEF:."

static PlaceholderKind kind_find(const char *word, size_t length, bool has_address) {
        static const struct {
                const char *word;
                PlaceholderKind kind;
                bool has_address;
        } kinds[] = {
                { "iommufd",   PLACEHOLDER_IOMMUFD,   false },
                { "container", PLACEHOLDER_CONTAINER, false },
                { "fd",        PLACEHOLDER_FD,        true },
                { "group",     PLACEHOLDER_GROUP,     true },
        };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strlen(kinds[i].word) == length && strncmp(kinds[i].word, word, length) == 0 && kinds[i].has_address == has_address)
                        return kinds[i].kind;
        return PLACEHOLDER_WRONG;
}

static int address_parse(const char *s, size_t length, PciAddress *ret) {
        char text[PCI_ADDRESS_STRING_MAX];

        if (length >= sizeof(text))
                return -EINVAL;
        (void) snprintf(text, sizeof(text), "%.*s", (int) length, s);
        return pci_address_parse(text, ret);
}

/* Whether a placeholder begins at the brace that `s` points to. */
static int placeholder_read(const char *s, Placeholder *ret) {
        Placeholder p = { .text = s };
        size_t word = strspn(s + 1, LOWER_CASE), argument = 0;
        bool has_address = s[1 + word] == ':';

        if (word == 0)
                return 0;
        if (has_address)
                argument = strcspn(s + 1 + word + 1, "{}");
        p.length = 1 + word + (has_address ? 1 + argument : 0) + 1;
        if (s[p.length - 1] != '}')
                return 0;

        p.kind = kind_find(s + 1, word, has_address);
        if (p.kind != PLACEHOLDER_WRONG && has_address && address_parse(s + 1 + word + 1, argument, &p.address) < 0)
                p.kind = PLACEHOLDER_WRONG;
        *ret = p;
        return 1;
}

/* The first placeholder, escaped or not. */
static int candidate_find(const char *s, Placeholder *ret, bool *ret_escaped) {
        for (const char *brace = s; (brace = strchr(brace, '{')); brace++) {
                if (brace > s && brace[-1] == '$')
                        continue;
                if (placeholder_read(brace, ret) > 0) {
                        *ret_escaped = brace > s && brace[-1] == '{';
                        return 1;
                }
        }
        return 0;
}

int placeholder_find(const char *s, Placeholder *ret) {
        bool escaped;
        Placeholder p;

        for (; candidate_find(s, &p, &escaped) > 0; s = p.text + p.length)
                if (!escaped) {
                        *ret = p;
                        return 1;
                }
        return 0;
}

int placeholder_expand(const char *s, placeholder_resolve_t resolve, void *userdata, char **ret) {
        _cleanup_free_ char *text = NULL;
        _cleanup_fclose_ FILE *f = NULL;
        bool escaped;
        Placeholder p;
        size_t size;
        int fd, r;

        f = open_memstream(&text, &size);
        if (!f)
                return -errno;

        for (; candidate_find(s, &p, &escaped) > 0; s = p.text + p.length) {
                (void) fwrite(s, 1, (size_t) (p.text - s) - escaped, f); /* without the brace that escapes */
                if (escaped) {
                        (void) fwrite(p.text, 1, p.length, f);
                        continue;
                }
                r = resolve(&p, userdata, &fd);
                if (r < 0)
                        return r;
                (void) fprintf(f, "%d", fd);
        }
        (void) fputs(s, f);

        if (fclose(TAKE_PTR(f)) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

/* The length of the longest address that begins at `s`, of at most `length` bytes; 0 if none does. */
static size_t address_length(const char *s, size_t length, PciAddress *ret) {
        for (size_t n = length < PCI_ADDRESS_STRING_MAX ? length : PCI_ADDRESS_STRING_MAX - 1; n > 0; n--)
                if (address_parse(s, n, ret) >= 0)
                        return n;
        return 0;
}

/* Whether one of the addresses in the first `length` bytes, all of them characters of addresses, is this device's. */
static bool run_names_device(const char *s, size_t length, const PciAddress *device) {
        for (size_t begin = 0, taken; begin < length; begin += taken ?: 1) {
                PciAddress a;

                taken = address_length(s + begin, length - begin, &a);
                if (taken > 0 && pci_address_compare(&a, device) == 0)
                        return true;
        }
        return false;
}

bool text_names_device(const char *s, const PciAddress *device) {
        if (s[0] == '-' && s[1] != '\0')
                s += 2; /* "-a0000:02:00.0": the letter of an option is no digit of the domain */

        while (*(s += strcspn(s, ADDRESS_CHARACTERS))) {
                size_t length = strspn(s, ADDRESS_CHARACTERS);

                if (run_names_device(s, length, device))
                        return true;
                s += length;
        }
        return false;
}
