/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "host/kernel.h"

int main(int argc, char *argv[]) {
        return worker_main(argc, argv, &kernel_ops);
}
