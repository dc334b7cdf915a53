/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/state.h"

#include "base/strutil.h"

static const struct {
        const char *state;
        Color color;
} colors[] = {
        { "assigned",    COLOR_GOOD },
        { "reserved",    COLOR_GOOD },
        { "busy",        COLOR_NOTE },
        { "releasing",   COLOR_NOTE },
        { "stuck",       COLOR_BAD },
        { "quarantined", COLOR_BAD },
};

Color state_color(const char *state) {
        for (size_t i = 0; i < ELEMENTSOF(colors); i++)
                if (string_equal(state, colors[i].state))
                        return colors[i].color;
        return COLOR_NONE;
}
