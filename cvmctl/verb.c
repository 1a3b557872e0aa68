/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verb.h"

#include "cvmctl.h"
#include "transport.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

bool arg_parse_only;

const struct verb_status verb_statuses[] = {
    {EXIT_OK, "success"},
    {EXIT_FAILED, "failure; one line on standard error says what is wrong"},
    {EXIT_USAGE, "usage: an option or argument that cannot be right"},
    {EXIT_NO_MACHINE, "no such machine, image or operation"},
    {EXIT_NO_DAEMON, "the daemon cannot be reached"},
    {EXIT_REFUSED, "refused: no right to do this, no RootVisor, not protected"},
    {-1},
};

/* Of verbs that talk to no cvmd. */
static const struct verb_status local_statuses[] = {
    {EXIT_OK, "success"},
    {EXIT_FAILED, "failure; one line on standard error says what is wrong"},
    {EXIT_USAGE, "usage: an option or argument that cannot be right"},
    {-1},
};

const struct verb_status *verb_statuses_of(const struct verb *v) {
    return v->statuses ?: v->remote ? verb_statuses : local_statuses;
}

enum { OPTION_JSON = 2000 };

const struct verb_option common_options[] = {
    {"json", OPTION_JSON, NULL, "output as JSON"},
    {"quiet", 'q', NULL, "no words on success; of a list only the names"},
    {"help", 'h', NULL, "this text"},
    {0},
};

const struct verb *verb_next(const struct verb *v) {
    if (!v)
        return verb_families[0].verbs;
    if (v[1].name)
        return v + 1;
    for (const struct verb_family *f = verb_families; f->title; f++)
        for (const struct verb *k = f->verbs; k->name; k++)
            if (k == v)
                return f[1].title ? f[1].verbs : NULL;
    return NULL;
}

const char *verb_word(const char *typed) {
    return strcmp(typed, "image") == 0 ? "images" : typed;
}

const struct verb *verb_find(const char *name) {
    for (const struct verb *v = verb_next(NULL); v; v = verb_next(v))
        if (strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

unsigned word_distance(const char *a, const char *b) {
    unsigned row[48], n = (unsigned)strlen(b);

    if (n >= ELEMENTSOF(row))
        return UINT_MAX;
    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 0; a[i]; i++) {
        unsigned diagonal = row[0];

        row[0] = i + 1;
        for (unsigned j = 0; j < n; j++) {
            unsigned best = diagonal + (a[i] != b[j]);

            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j + 1] + 1 < best)
                best = row[j + 1] + 1;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[n];
}

/* Keeps in *best the word nearest to @typed, if it is near enough to be meant. */
static void nearer(const char *typed, const char *word, unsigned *d, const char **best) {
    unsigned k = word_distance(typed, word);

    /* Two slips, but never a word of which nothing is left. */
    if (k < *d && k < strlen(word)) {
        *d = k;
        *best = word;
    }
}

void verb_argument_count(const struct verb *v, int *min, int *max) {
    *min = *max = 0;
    for (const char *p = v->arguments; *p;) {
        size_t n = strcspn(p, " ");

        if (*p != '[')
            ++*min;
        if (n >= 3 && (memmem(p, n, "...", 3)))
            *max = -1;
        else if (*max >= 0)
            ++*max;
        p += n;
        p += strspn(p, " ");
    }
}

/* All lists of a verb: its own, the common ones, and those for who talks to cvmd. */
static size_t option_lists(const struct verb *v, const struct verb_option *lists[static 8]) {
    size_t n = 0;

    for (size_t i = 0; i < ELEMENTSOF(v->options) && v->options[i]; i++)
        lists[n++] = v->options[i];
    lists[n++] = common_options;
    if (v->remote)
        lists[n++] = remote_options;
    return n;
}

#define OPTIONS_MAX 64u

static void build_options(const struct verb *v, struct option *ret, char *letters) {
    const struct verb_option *lists[8];
    size_t n = option_lists(v, lists), k = 0;

    *letters++ = ':';
    for (size_t i = 0; i < n; i++)
        for (const struct verb_option *o = lists[i]; o->name && k + 1 < OPTIONS_MAX; o++) {
            ret[k++] = (struct option){o->name, o->argument ? required_argument : no_argument, NULL, o->val};
            if (o->val < 128) {
                *letters++ = (char)o->val;
                if (o->argument)
                    *letters++ = ':';
            }
        }
    ret[k] = (struct option){0};
    *letters = 0;
}

const struct verb_option *verb_option_by_val(const struct verb *v, int val) {
    const struct verb_option *lists[8];
    size_t n = option_lists(v, lists);

    for (size_t i = 0; i < n; i++)
        for (const struct verb_option *o = lists[i]; o->name; o++)
            if (o->val == val)
                return o;
    return NULL;
}

static bool is_in(const struct verb_option *list, int val) {
    for (; list->name; list++)
        if (list->val == val)
            return true;
    return false;
}

static bool is_common(const struct verb *v, int val) {
    return is_in(common_options, val) || (v->remote && is_in(remote_options, val));
}

static const struct verb *current;
static struct option current_options[OPTIONS_MAX];
static char current_letters[2 * OPTIONS_MAX + 2];

int verb_getopt(int argc, char **argv) {
    int c;

    do
        c = getopt_long(argc, argv, current_letters, current_options, NULL);
    while (c >= 0 && is_common(current, c));
    return c;
}

static int bad_option(const struct verb *v, const char *name, char **argv) {
    const char *typed = argv[optind - 1], *best = NULL;
    unsigned d = 3;

    if (optopt && optopt < 128)
        return usage_error(name, "there is no option '-%c'", optopt);
    for (const struct option *o = current_options; o->name; o++)
        if (strncmp(typed, "--", 2) == 0)
            nearer(typed + 2, o->name, &d, &best);
    (void)v;
    if (best)
        return usage_error(name, "there is no option '%s'; did you mean '--%s'?", typed, best);
    return usage_error(name, "there is no option '%s'", typed);
}

static int missing_argument(const struct verb *v, int given) {
    const char *p = v->arguments;
    size_t n;

    while (given-- > 0) {
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    n = strcspn(p, " ");
    if (strncmp(p, "NAME", n) == 0 || strncmp(p, "MACHINE", n) == 0)
        return usage_error(v->name, "the machine's name is missing");
    return usage_error(v->name, "%.*s is missing", (int)n, p);
}

static bool begins_with_word(const char *name, const char *word) {
    size_t n = strlen(word);

    return strncmp(name, word, n) == 0 && name[n] == ' ';
}

bool verb_has_second_words(const char *word) {
    for (const struct verb *v = verb_next(NULL); v; v = verb_next(v))
        if (begins_with_word(v->name, word))
            return true;
    return false;
}

/* "a, b, c": the second words behind @word. */
static void second_words(const char *word, char *buf, size_t size) {
    size_t n = 0;

    buf[0] = 0;
    for (const struct verb *v = verb_next(NULL); v; v = verb_next(v))
        if (begins_with_word(v->name, word) && n < size)
            n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", v->name + strlen(word) + 1);
}

/* @word is the first of two-word verbs, what follows is none of the second. */
static int unknown_second(const char *word, const char *second) {
    const char *best = NULL;
    char words[256];
    unsigned d = 3;

    second_words(word, words, sizeof(words));
    if (!second)
        return fail(word, EXIT_USAGE, "a second word is missing; it is one of %s", words);
    for (const struct verb *v = verb_next(NULL); v; v = verb_next(v))
        if (begins_with_word(v->name, word))
            nearer(second, v->name + strlen(word) + 1, &d, &best);
    if (best)
        return fail(word, EXIT_USAGE, "there is no '%s %s'; did you mean '%s %s'?", word, second, word, best);
    return fail(word, EXIT_USAGE, "there is no '%s %s'; it is one of %s", word, second, words);
}

/* All options once, for those that every verb takes and for what is wrong. -1 to go on, or the exit status.
 */
static int check(const struct verb *v, int argc, char **argv) {
    int c, min, max, r;

    build_options(v, current_options, current_letters);
    current = v;
    opterr = 0;
    optind = 0;
    while ((c = getopt_long(argc, argv, current_letters, current_options, NULL)) >= 0)
        switch (c) {
        case OPTION_JSON:
            arg_json = true;
            break;
        case 'q':
            if (is_common(v, 'q') && verb_option_by_val(v, 'q') == &common_options[1])
                arg_quiet = true;
            break;
        case 'h':
            help_verb(v, stdout);
            return EXIT_OK;
        case ':':
            return usage_error(v->name, "'%s' wants an argument", argv[optind - 1]);
        case '?':
            return bad_option(v, v->name, argv);
        default:
            r = v->remote && is_in(remote_options, c) ? remote_option_take(c, optarg) : -1;
            if (r >= 0)
                return r;
        }
    verb_argument_count(v, &min, &max);
    if (argc - optind < min)
        return missing_argument(v, argc - optind);
    if (max == 0 && argc > optind && verb_has_second_words(v->name))
        return unknown_second(v->name, argv[optind]);
    if (max >= 0 && argc - optind > max)
        return usage_error(v->name, "'%s' is one argument too many", argv[optind + max]);
    return -1;
}

static int unknown_verb(const char *name, const char *second) {
    const char *best = NULL;
    char word[48];
    unsigned d = 3;

    if (verb_has_second_words(name))
        return unknown_second(name, second);
    for (const struct verb *v = verb_next(NULL); v; v = verb_next(v)) {
        snprintf(word, sizeof(word), "%.*s", (int)strcspn(v->name, " "), v->name);
        if (word_distance(name, word) < d) {
            nearer(name, word, &d, &best);
            best = v->name;
        }
    }
    if (best)
        return fail("", EXIT_USAGE, "there is no verb '%s'; did you mean '%.*s'?", name, (int)strcspn(best, " "), best);
    return usage_error("", "there is no verb '%s'", name);
}

/* The second word of a two-word verb stands right behind the first; options follow. */
static const struct verb *match(int argc, char **argv, int *words) {
    char name[64];

    if (argc > 1 && argv[1][0] != '-' &&
        (size_t)snprintf(name, sizeof(name), "%s %s", argv[0], argv[1]) < sizeof(name)) {
        const struct verb *v = strchr(argv[0], ' ') ? NULL : verb_find(name);

        *words = 2;
        if (v)
            return v;
    }
    *words = 1;
    return strchr(argv[0], ' ') ? NULL : verb_find(argv[0]);
}

int verb_dispatch(int argc, char **argv) {
    const struct verb *v;
    int words, r;

    argv[0] = (char *)verb_word(argv[0]);
    v = match(argc, argv, &words);
    if (!v && argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) &&
        help_group(argv[0], stdout))
        return EXIT_OK;
    if (!v)
        return unknown_verb(argv[0], argc > 1 && argv[1][0] != '-' ? argv[1] : NULL);
    argc -= words - 1;
    argv += words - 1;
    argv[0] = (char *)v->name;
    r = check(v, argc, argv);
    if (r >= 0)
        return r;
    if (arg_parse_only)
        return EXIT_OK;
    if (arg_host && !v->remote)
        return usage_error(v->name, "this works on the machine it is typed on: not with --host");
    optind = 0; /* the verb reads its own options from the start */
    return v->run(argc, argv);
}
