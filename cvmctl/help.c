/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl help: the verb table for people, and as JSON.
 */
#include "cvmctl.h"
#include "output.h"

#include <string.h>

static int synopsis(const struct verb *v, char *buf, size_t size) {
    return snprintf(buf, size, "%s%s%s%s%s", v->name, v->arguments[0] ? " " : "", v->arguments,
                    v->remark ? " " : "", v->remark ?: "");
}

static void print_statuses(const struct verb_status *s, FILE *f) {
    fputs("\nExit status:\n", f);
    for (; s->status >= 0; s++)
        fprintf(f, "  %d  %s\n", s->status, s->text);
}

static int option_left(const struct verb_option *o, char *buf, size_t size) {
    char letter[8] = "    ";

    if (o->val < 128)
        snprintf(letter, sizeof(letter), "-%c, ", o->val);
    return snprintf(buf, size, "  %s--%s%s%s", letter, o->name, o->argument ? " " : "", o->argument ?: "");
}

static void print_option(const struct verb_option *o, int width, FILE *f) {
    char left[128];
    const char *p = o->text;

    option_left(o, left, sizeof(left));
    fprintf(f, "%-*s", width, left);
    while (*p) {
        size_t n = strcspn(p, "\n");

        fprintf(f, "  %.*s\n", (int)n, p);
        p += n;
        if (*p) {
            p++;
            fprintf(f, "%*s", width, "");
        }
    }
}

static int option_width(const struct verb_option *o, int width) {
    char left[128];

    for (; o->name; o++) {
        int n = option_left(o, left, sizeof(left));

        if (n > width)
            width = n;
    }
    return width;
}

static void print_options(const struct verb_option *o, int width, FILE *f) {
    for (; o->name; o++)
        print_option(o, width, f);
}

void help_verb(const struct verb *v, FILE *f) {
    int width = option_width(common_options, 0);
    char line[256];

    for (size_t i = 0; i < ELEMENTSOF(v->options) && v->options[i]; i++)
        width = option_width(v->options[i], width);
    if (v->remote)
        width = option_width(remote_options, width);
    synopsis(v, line, sizeof(line));
    fprintf(f, "cvmctl %s [OPTION...]\n\n%c%s.\n", line, v->summary[0] - 'a' + 'A', v->summary + 1);
    if (v->text)
        fprintf(f, "\n%s\n", v->text);
    fputc('\n', f);
    for (size_t i = 0; i < ELEMENTSOF(v->options) && v->options[i]; i++)
        print_options(v->options[i], width, f);
    print_options(common_options, width, f);
    if (v->remote)
        print_options(remote_options, width, f);
    print_statuses(verb_statuses_of(v), f);
}

bool help_group(const char *word, FILE *f) {
    size_t n = strlen(word);
    char line[256];
    bool any = false;

    for (const struct verb *v = verb_next(NULL); v; v = verb_next(v))
        if (strncmp(v->name, word, n) == 0 && v->name[n] == ' ') {
            synopsis(v, line, sizeof(line));
            fprintf(f, "  cvmctl %-44s %s\n", line, v->summary);
            any = true;
        }
    return any;
}

void help_all(FILE *f) {
    int width = option_width(remote_options, option_width(common_options, 0));
    char line[256];

    fputs("cvmctl [OPTION...] VERB [ARGUMENT...]\n\nRuns and judges protected virtual machines; see "
          "cvmctl(1).\n",
          f);
    for (const struct verb_family *g = verb_families; g->title; g++) {
        fprintf(f, "\n%s:\n", g->title);
        for (const struct verb *v = g->verbs; v->name; v++) {
            synopsis(v, line, sizeof(line));
            fprintf(f, "  %-42s %s\n", line, v->summary);
        }
    }
    fputs("\nWith any verb, before or behind it:\n", f);
    print_options(common_options, width, f);
    fputs("\nWith verbs that talk to cvmd:\n", f);
    print_options(remote_options, width, f);
    print_statuses(verb_statuses, f);
    fputs("Some verbs have others, see 'cvmctl help verify'.\n", f);
}

static json_object *options_to_json(const struct verb_option *o, json_object *list) {
    for (; o->name; o++) {
        json_object *j = json_object_new_object();
        char letter[2] = {o->val < 128 ? (char)o->val : 0};

        json_object_object_add(j, "name", json_object_new_string(o->name));
        json_object_object_add(j, "letter", letter[0] ? json_object_new_string(letter) : NULL);
        json_object_object_add(j, "argument", o->argument ? json_object_new_string(o->argument) : NULL);
        json_object_object_add(j, "text", json_object_new_string(o->text));
        json_object_array_add(list, j);
    }
    return list;
}

static json_object *statuses_to_json(const struct verb_status *s) {
    json_object *o = json_object_new_object();

    for (; s->status >= 0; s++) {
        char key[12];

        snprintf(key, sizeof(key), "%d", s->status);
        json_object_object_add(o, key, json_object_new_string(s->text));
    }
    return o;
}

static json_object *verb_to_json(const struct verb *v) {
    json_object *o = json_object_new_object(), *options = json_object_new_array();

    json_object_object_add(o, "name", json_object_new_string(v->name));
    json_object_object_add(o, "arguments", json_object_new_string(v->arguments));
    json_object_object_add(o, "summary", json_object_new_string(v->summary));
    json_object_object_add(o, "remote", json_object_new_boolean(v->remote));
    for (size_t i = 0; i < ELEMENTSOF(v->options) && v->options[i]; i++)
        options_to_json(v->options[i], options);
    json_object_object_add(o, "options", options);
    json_object_object_add(o, "statuses", statuses_to_json(verb_statuses_of(v)));
    return o;
}

static int help_json(void) {
    _cleanup_json_ json_object *o = json_object_new_object();
    json_object *verbs = json_object_new_array();

    for (const struct verb *v = verb_next(NULL); v; v = verb_next(v))
        json_object_array_add(verbs, verb_to_json(v));
    json_object_object_add(o, "verbs", verbs);
    json_object_object_add(o, "common_options", options_to_json(common_options, json_object_new_array()));
    json_object_object_add(o, "remote_options", options_to_json(remote_options, json_object_new_array()));
    return print_json(o);
}

int verb_help(int argc, char **argv) {
    const struct verb *v;
    char name[64];

    while (verb_getopt(argc, argv) >= 0)
        ;
    if (arg_json)
        return help_json();
    if (optind == argc) {
        help_all(stdout);
        return EXIT_OK;
    }
    argv[optind] = (char *)verb_word(argv[optind]);
    snprintf(name, sizeof(name), "%s%s%s", argv[optind], argc - optind > 1 ? " " : "",
             argc - optind > 1 ? argv[optind + 1] : "");
    v = verb_find(name);
    if (v) {
        help_verb(v, stdout);
        return EXIT_OK;
    }
    if (argc - optind == 1 && help_group(argv[optind], stdout))
        return EXIT_OK;
    /* The same words as if it had been typed. */
    return verb_dispatch(argc - optind, argv + optind);
}
