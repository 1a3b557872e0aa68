/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* load KIND ROUNDS: work on the host itself (load.h). One number: its ticks. Exit status 0, or 2 if it could not be done. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    load_child(argv);
    uint64_t ticks = argc == 3 ? load_run(argv[1], strtoull(argv[2], NULL, 0)) : 0;
    printf("%llu\n", (unsigned long long)ticks);
    return ticks ? 0 : 2;
}
