/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl stop, cvmctl delete */
#include "client.h"
#include "machine-fields.h"

#include <stdio.h>

const struct verb_option stop_options[] = {
    {"force", 'f', NULL, "end it at once"},
    {0},
};

int verb_stop(int argc, char **argv) {
    _cleanup_json_ json_object *p = NULL, *o = NULL;
    _cleanup_bus_ sd_bus *bus = NULL;
    bool force = false;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        force = true;
    r = client_connect(argv[0], &bus);
    if (r == 0)
        r = client_operation_call(argv[0], bus, "Stop", "sb", argv[optind], (int)force);
    if (r != 0)
        return r;
    if (arg_json) {
        r = client_machine(argv[0], bus, argv[optind], &p);
        if (r != 0)
            return r;
        o = machine_to_json(p);
        return print_json(o);
    }
    say("Machine '%s' is stopped.\n", argv[optind]);
    return EXIT_OK;
}

int verb_delete(int argc, char **argv) {
    _cleanup_json_ json_object *o = NULL;
    _cleanup_bus_ sd_bus *bus = NULL;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = client_connect(argv[0], &bus);
    if (r == 0)
        r = client_operation_call(argv[0], bus, "Delete", "s", argv[optind]);
    if (r != 0)
        return r;
    if (arg_json) {
        o = json_object_new_object();
        json_object_object_add(o, "deleted", json_object_new_string(argv[optind]));
        return print_json(o);
    }
    say("Machine '%s' is deleted.\n", argv[optind]);
    return EXIT_OK;
}
