/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl launch, define, set */
#include "image.h"
#include "machine-fields.h"
#include "machine-options.h"
#include "operation.h"

#include <stdio.h>
#include <string.h>

/* Images are named by people, and known to cvmd by digest. */
static int resolve_images(struct transport *t, const char *verb, struct machine_request *m) {
    static const char *const keys[] = {"KernelImage", "InitrdImage"};
    json_object *v, *disks = NULL;
    char *digest;
    int r;

    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        if (json_object_object_get_ex(m->options, keys[i], &v) && json_object_get_string(v)[0]) {
            r = image_digest(t, verb, json_object_get_string(v), &digest);
            if (r != 0)
                return r;
            json_object_object_add(m->options, keys[i], json_object_new_string(digest));
            free(digest);
        }
    json_object_object_get_ex(m->options, "Disks", &disks);
    for (size_t i = 0; disks && i < json_object_array_length(disks); i++) {
        const char *s = json_object_get_string(json_object_array_get_idx(disks, i));

        if (s[0] == '/')
            continue;
        r = image_digest(t, verb, s, &digest);
        if (r != 0)
            return r;
        json_object_array_put_idx(disks, i, json_object_new_string(digest));
        free(digest);
    }
    return 0;
}

static int print_machine(struct transport *t, const char *verb, const char *name) {
    _cleanup_json_ json_object *p = NULL, *o = NULL;
    int r = t->ops->get(t, verb, OBJECT_MACHINE, name, &p);

    if (r != 0)
        return r;
    o = machine_to_json(p);
    return print_json(o);
}

static int run(const char *verb, const char *method, const char *name, struct machine_request *m, bool wait) {
    _cleanup_json_ json_object *operation = NULL;
    _cleanup_transport_ struct transport *t = NULL;
    struct request q = {.verb = verb, .method = method, .name = name, .options = m->options};
    bool launch = strcmp(method, "Launch") == 0, set = strcmp(method, "SetProperties") == 0, unprotected = machine_request_has(m, "Unprotected");
    int r;

    r = machine_request_open(m, verb);
    if (r == 0)
        r = transport_open(verb, &t);
    if (r == 0)
        r = resolve_images(t, verb, m);
    if (r != 0)
        return r;
    q.files[0] = (struct request_file){"Kernel", m->kernel_fd};
    q.files[1] = (struct request_file){"Initrd", m->initrd_fd};
    r = operation_run(t, &q, wait, &operation);
    if (r != 0)
        return r;
    wait = wait || (set && operation && operation_is_done(operation)); /* nothing is left to wait for */
    if (!wait && operation && !arg_json) {
        print_operation_id(operation);
        return EXIT_OK;
    }
    if (!wait && operation) {
        _cleanup_json_ json_object *o = operation_to_json(operation);

        return print_json(o);
    }
    if (arg_json)
        return print_machine(t, verb, name);
    if (launch)
        say("Machine '%s' runs%s.\n", name,
            unprotected ? ", not protected: the host can read it" : " protected");
    else
        say("Machine '%s' is %s.\n", name, strcmp(method, "Define") == 0 ? "defined" : "changed");
    return EXIT_OK;
}

int verb_launch(int argc, char **argv) {
    const char *verb = argv[0];
    struct machine_request m;
    bool wait = true;
    int c, r = -1;

    machine_request_init(&m);
    while (r < 0 && (c = verb_getopt(argc, argv)) >= 0)
        if (c == OPT_NO_WAIT)
            wait = false;
        else
            r = machine_request_take(&m, verb, c, optarg);
    if (r < 0 && !m.kernel && !machine_request_has(&m, "KernelImage"))
        r = usage_error(verb, "--kernel is missing");
    if (r < 0 && !machine_request_has(&m, "Memory"))
        r = usage_error(verb, "--memory is missing");
    if (r < 0)
        r = run(verb, strcmp(verb, "launch") == 0 ? "Launch" : "Define", argv[optind], &m, wait);
    machine_request_done(&m);
    return r;
}

int verb_set(int argc, char **argv) {
    struct machine_request m;
    bool wait = true;
    int c, r = -1;

    machine_request_init(&m);
    while (r < 0 && (c = verb_getopt(argc, argv)) >= 0)
        if (c == OPT_NO_WAIT)
            wait = false;
        else
            r = machine_request_take(&m, argv[0], c, optarg);
    if (r < 0 && json_object_object_length(m.options) == 0)
        r = usage_error(argv[0], "nothing to change is given");
    if (r < 0)
        r = run(argv[0], "SetProperties", argv[optind], &m, wait);
    machine_request_done(&m);
    return r;
}
