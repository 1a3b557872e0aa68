/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "deploy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_digest(const char *s) {
    return strlen(s) == 96 && strspn(s, "0123456789abcdef") == 96;
}

/* Names of files in one directory, which a shell script reads too. */
static bool is_name(const char *s) {
    return s[0] && s[0] != '.' && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(s);
}

static int parse_line(const char *line, struct deployed *d) {
    struct deployed_images i = {0}, *to;
    char kind[16], more;

    if (sscanf(line, "%15s %63s %63s %96s %96s %96s %96s %c", kind, i.rootvisor, i.guardian,
               i.rootvisor_sha384, i.guardian_sha384, i.rootvisor_measured, i.guardian_measured, &more) < 1)
        return 0; /* empty */
    if (strcmp(kind, "trial") == 0) {
        d->trial = true;
        return 0;
    }
    if (strcmp(kind, "current") == 0)
        to = &d->current;
    else if (strcmp(kind, "previous") == 0)
        to = &d->previous;
    else
        return 0;
    if (!is_name(i.rootvisor) || !is_name(i.guardian) || !is_digest(i.rootvisor_sha384) ||
        !is_digest(i.guardian_sha384) || !is_digest(i.rootvisor_measured) || !is_digest(i.guardian_measured))
        return -EBADMSG;
    *to = i;
    return 0;
}

int deployed_parse(const char *text, struct deployed *ret) {
    char line[640];

    memset(ret, 0, sizeof(*ret));
    while (*text) {
        size_t n = strcspn(text, "\n");

        if (n >= sizeof(line) || text[n] != '\n') /* every line ends, or the file is cut */
            return -EBADMSG;
        memcpy(line, text, n);
        line[n] = 0;
        if (line[0] != '#' && parse_line(line, ret) < 0)
            return -EBADMSG;
        text += n + 1;
    }
    return 0;
}

static void print_line(FILE *f, const char *kind, const struct deployed_images *i) {
    if (i->rootvisor[0])
        fprintf(f, "%s %s %s %s %s %s %s\n", kind, i->rootvisor, i->guardian, i->rootvisor_sha384,
                i->guardian_sha384, i->rootvisor_measured, i->guardian_measured);
}

char *deployed_format(const struct deployed *d) {
    char *s = NULL;
    size_t size;
    FILE *f = open_memstream(&s, &size);

    if (!f)
        return NULL;
    fputs("# What cvmctl host deploy installed: RootVisor, Guardian, SHA-384 of the files, digests as "
          "reports name them.\n",
          f);
    print_line(f, "current", &d->current);
    print_line(f, "previous", &d->previous);
    if (d->trial)
        fputs("trial\n", f);
    return fclose(f) == 0 ? s : NULL;
}
