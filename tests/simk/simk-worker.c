/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tests/simk/simk.h"

int main(int argc, char *argv[]) {
        return worker_main(argc, argv, &simk_ops);
}
