/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs verify and digest alone, without the bus that the rest of cvmctl needs. */
#include <stdio.h>
#include <string.h>

#include "cvmctl.h"

bool arg_json;

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "verify") == 0)
        return verb_verify(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "digest") == 0)
        return verb_digest(argc - 1, argv + 1);
    fprintf(stderr, "verify or digest\n");
    return 2;
}
