/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl images list, show, import, delete, gc */
#include "image.h"

#include "machine-options.h"
#include "member.h"
#include "operation.h"
#include "output.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DIGEST_DIGITS 96u
#define PREFIX_MIN 8u

static const struct field fields[] = {
    {"Digest", "digest", "Digest", FORMAT_PLAIN},    {"Name", "name", "Name", FORMAT_PLAIN},
    {"Kind", "kind", "Kind", FORMAT_PLAIN},          {"Size", "size", "Size", FORMAT_BYTES},
    {"Created", "created", "Imported", FORMAT_TIME}, {"Machines", "machines", "Machines", FORMAT_LIST},
};

int image_digest(struct transport *t, const char *verb, const char *word, char **ret) {
    _cleanup_json_ json_object *all = NULL;
    const char *found = NULL;
    size_t n = strlen(word);
    bool digits = strspn(word, "0123456789abcdef") == n && n >= PREFIX_MIN;
    int r;

    if (digits && n == DIGEST_DIGITS) {
        *ret = strdup(word);
        return *ret ? 0 : fail(verb, EXIT_FAILED, "out of memory");
    }
    r = t->ops->list(t, verb, OBJECT_IMAGE, &all);
    if (r != 0)
        return r;
    for (size_t i = 0; i < json_object_array_length(all); i++) {
        json_object *p = json_object_array_get_idx(all, i);
        const char *digest = member_text(p, "Digest");

        if (strcmp(member_text(p, "Name"), word) != 0 && !(digits && strncmp(digest, word, n) == 0))
            continue;
        if (found)
            return fail(verb, EXIT_FAILED, "more than one image is meant by '%s'; see 'cvmctl images list'",
                        word);
        found = digest;
    }
    if (!found)
        return fail(verb, EXIT_NO_MACHINE, "there is no image '%s'; see 'cvmctl images list'", word);
    *ret = strdup(found);
    return *ret ? 0 : fail(verb, EXIT_FAILED, "out of memory");
}

static int verb_images_list(int argc, char **argv) {
    static const char *const columns[] = {"NAME", "KIND", "SIZE", "DIGEST", "MACHINES", NULL};
    _cleanup_json_ json_object *all = NULL, *out = json_object_new_array();
    _cleanup_transport_ struct transport *t = NULL;
    struct libscols_table *table;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->list(t, argv[0], OBJECT_IMAGE, &all);
    if (r != 0)
        return r;
    table = table_new(columns);
    if (!table)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    json_array_sort_by(all, "Name");
    for (size_t i = 0; i < json_object_array_length(all); i++) {
        json_object *p = json_object_array_get_idx(all, i);
        _cleanup_free_ char *size = format_value(FORMAT_BYTES, json_object_object_get(p, "Size"));
        _cleanup_free_ char *used = format_value(FORMAT_LIST, json_object_object_get(p, "Machines"));
        char digest[20];
        const char *cells[] = {member_text(p, "Name"), member_text(p, "Kind"), size ?: "", digest,
                               used ?: ""};

        snprintf(digest, sizeof(digest), "%.16s", member_text(p, "Digest"));
        json_object_array_add(out, fields_to_json(fields, ELEMENTSOF(fields), p));
        if (arg_quiet && !arg_json)
            puts(member_text(p, "Digest"));
        if (table_add(table, cells, ELEMENTSOF(cells), 0, NULL) < 0)
            return fail(argv[0], EXIT_FAILED, "out of memory");
    }
    return table_or_json(table, out, "No images.");
}

static int show(struct transport *t, const char *verb, const char *digest) {
    _cleanup_json_ json_object *p = NULL, *o = NULL;
    int r = t->ops->get(t, verb, OBJECT_IMAGE, digest, &p);

    if (r != 0)
        return r;
    o = fields_to_json(fields, ELEMENTSOF(fields), p);
    return arg_json ? print_json(o) : fields_print(fields, ELEMENTSOF(fields), p);
}

static int verb_images_show(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_free_ char *digest = NULL;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = image_digest(t, argv[0], argv[optind], &digest);
    return r ?: show(t, argv[0], digest);
}

enum { OPT_KIND = OPTION_LONG, OPT_NAME, OPT_DIGEST };

/* What an operation about images ends with. */
static int finish(struct transport *t, const char *verb, json_object *operation, bool wait,
                  const char *said) {
    json_object *result = NULL;
    const char *digest = "";

    (void)t;
    if (!wait && !arg_json) {
        print_operation_id(operation);
        return EXIT_OK;
    }
    if (arg_json) {
        _cleanup_json_ json_object *o = operation ? operation_to_json(operation) : json_object_new_object();

        return print_json(o);
    }
    if (json_object_object_get_ex(operation, "Result", &result))
        digest = member_text(result, "Digest");
    if (digest[0] && strcmp(verb, "images import") == 0)
        puts(digest);
    else
        say("%s\n", said);
    return EXIT_OK;
}

static int verb_images_import(int argc, char **argv) {
    _cleanup_json_ json_object *options = json_object_new_object(), *operation = NULL;
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_free_ char *path = NULL;
    struct request q = {.verb = argv[0], .method = "ImportImage", .options = options, .files = {{"", -1}}};
    bool wait = true;
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case OPT_KIND:
            q.kind = optarg;
            break;
        case OPT_NAME:
            q.name = optarg;
            break;
        case OPT_DIGEST:
            json_object_object_add(options, "Digest", json_object_new_string(optarg));
            break;
        case OPT_NO_WAIT:
            wait = false;
            break;
        }
    if (!q.kind)
        return usage_error(argv[0], "--kind is missing (kernel, initrd, cmdline or disk)");
    path = strdup(argv[optind]);
    if (!path)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    if (!q.name)
        q.name = basename(path);
    r = open_regular(argv[0], "image", argv[optind], &q.files[0].fd);
    if (r == 0)
        r = transport_open(argv[0], &t);
    if (r == 0)
        r = operation_run(t, &q, wait, &operation);
    if (q.files[0].fd >= 0)
        close(q.files[0].fd);
    return r ?: finish(t, argv[0], operation, wait, "The image is imported.");
}

static int verb_images_delete(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *operation = NULL;
    struct request q = {.verb = argv[0], .method = "DeleteImage"};
    _cleanup_free_ char *digest = NULL;
    bool wait = true;
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        if (c == OPT_NO_WAIT)
            wait = false;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = image_digest(t, argv[0], argv[optind], &digest);
    q.name = digest;
    if (r == 0)
        r = operation_run(t, &q, wait, &operation);
    return r ?: finish(t, argv[0], operation, wait, "The image is deleted.");
}

static int verb_images_gc(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *operation = NULL;
    struct request q = {.verb = argv[0], .method = "CollectImages"};
    bool wait = true;
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        if (c == OPT_NO_WAIT)
            wait = false;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = operation_run(t, &q, wait, &operation);
    return r ?: finish(t, argv[0], operation, wait, "Images that no machine uses are deleted.");
}

static const struct verb_option import_options[] = {
    {"kind", OPT_KIND, "kernel|initrd|cmdline|disk", "what it is"},
    {"name", OPT_NAME, "TEXT", "for people; the file's name if not given"},
    {"digest", OPT_DIGEST, "HEX", "refuse the file if its SHA-384 is another"},
    {0},
};

const struct verb image_verbs[] = {
    {.name = "images list",
     .arguments = "",
     .summary = "list the images",
     .run = verb_images_list,
     .remote = true},
    {.name = "images show",
     .arguments = "IMAGE",
     .summary = "tell all about an image",
     .run = verb_images_show,
     .remote = true},
    {.name = "images import",
     .arguments = "FILE",
     .summary = "copy a kernel, initrd or disk into the store, and print its digest",
     .run = verb_images_import,
     .options = {import_options, wait_options},
     .remark = "--kind KIND",
     .remote = true},
    {.name = "images encrypt",
     .arguments = "FILE FILE",
     .summary = "encrypt a raw disk image: LUKS2",
     .run = verb_images_encrypt,
     .text = "The second file is made: stock cryptsetup opens it with the key, in a guest or anywhere. Needs no cvmd and no root.",
     .options = {encrypt_options},
     .remark = "--key-file FILE"},
    {.name = "images delete",
     .arguments = "IMAGE",
     .summary = "delete an image that no machine uses",
     .run = verb_images_delete,
     .options = {wait_options},
     .remote = true},
    {.name = "images gc",
     .arguments = "",
     .summary = "delete all images that no machine uses",
     .run = verb_images_gc,
     .options = {wait_options},
     .remote = true},
    {0},
};
