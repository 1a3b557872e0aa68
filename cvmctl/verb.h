/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verb table. Each family's file ends with an array of its verbs; verbs.c lists the families. Parsing,
 * help, shell completion, suggestions for mistyped words and the lint of the manual all read these arrays and
 * nothing else.
 */
#ifndef CVMCTL_VERB_H
#define CVMCTL_VERB_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * One option. The name of its argument says how a shell completes it: FILE, HEX|FILE, DIR, MACHINE, IMAGE,
 * OPERATION; words in small letters, "a|b", stand for themselves; anything else is not completed.
 */
struct verb_option {
    const char *name; /* long, without dashes; NULL ends the list */
    int val; /* what verb_getopt() returns: a letter is the short option too, else OPTION_LONG and up */
    const char *argument; /* NULL: a flag */
    const char *text;     /* for help; '\n' separates lines */
};

/* First value of an option that has no letter, in the lists of the families. */
#define OPTION_LONG 256
/* The same in lists that several families share. */
#define OPTION_SHARED 1000

struct verb_status {
    int status; /* -1 ends the list */
    const char *text;
};

struct verb {
    const char *name; /* one word or two: "images import"; NULL ends the family */
    const char
        *arguments; /* behind the options: "MACHINE", "[MACHINE]", "FILE FILE", "MACHINE..."; "" if none */
    const char *summary; /* one line */
    int (*run)(int argc, char **argv);
    const char *text;                     /* what help tells beyond the summary; may be NULL */
    const struct verb_option *options[5]; /* lists of options, NULL-terminated */
    const struct verb_status *statuses;   /* NULL: those of all verbs, or of those that talk to no cvmd */
    const char *remark;                   /* of the synopsis: options that must be given, for people */
    bool remote;                          /* talks to cvmd: --bus-address, --host and theirs apply */
};

/* A title of `cvmctl help`, and verbs. */
struct verb_family {
    const char *title; /* NULL ends the table */
    const struct verb *verbs;
};

extern const struct verb_family verb_families[];
extern const struct verb_status verb_statuses[];
/* What a verb returns. */
const struct verb_status *verb_statuses_of(const struct verb *v);
/* What every verb takes, and what those take that talk to cvmd. */
extern const struct verb_option common_options[], remote_options[];

/* The first word of a verb as the table has it: what else is said for it ("image") is taken, too. */
const char *verb_word(const char *typed);

/* Walks through all verbs: @v NULL starts; NULL at the end. */
const struct verb *verb_next(const struct verb *v);
/* Whether @word is the first of verbs with two. */
bool verb_has_second_words(const char *word);
/* By its full name, NULL if there is none. */
const struct verb *verb_find(const char *name);

/**
 * verb_getopt - the verb's own options, one after the other
 * @argv: argv[0] is the verb's full name
 *
 * verb_dispatch() has checked all options and the number of arguments before, and has taken the common ones.
 * Returns the val of the option (optarg is its argument), -1 at the end: arguments from argv[optind] on.
 */
int verb_getopt(int argc, char **argv);

/**
 * verb_dispatch - find the verb, check options and arguments, run it
 * @argv: from the verb's first word on
 *
 * Returns the exit status.
 */
int verb_dispatch(int argc, char **argv);

/* How many arguments the table allows; *max is -1 for any number. */
void verb_argument_count(const struct verb *v, int *min, int *max);
/* The option with this val in any of the verb's lists and the common ones. */
const struct verb_option *verb_option_by_val(const struct verb *v, int val);

/* Levenshtein distance of short words; UINT_MAX if @b is too long to judge. */
unsigned word_distance(const char *a, const char *b);

/* --- help.c --- */
/* All verbs. */
void help_all(FILE *f);
/* One verb. */
void help_verb(const struct verb *v, FILE *f);
/* All verbs of which @word is the first word; false if there is none with a second. */
bool help_group(const char *word, FILE *f);
int verb_help(int argc, char **argv);

/* --- completion.c --- */
int verb_completion(int argc, char **argv);

#endif
