/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl completion: scripts for shells, made from the verb table when cvmctl is built, and the names they
 * ask for while somebody types.
 */
#include "cvmctl.h"
#include "output.h"
#include "transport.h"

#include <ctype.h>
#include <string.h>

static size_t first_word(const char *name) {
    return strcspn(name, " ");
}

/* Whether an earlier verb has the same first word. */
static bool is_repeated(const struct verb *v) {
    size_t n = first_word(v->name);

    for (const struct verb *k = verb_next(NULL); k != v; k = verb_next(k))
        if (first_word(k->name) == n && strncmp(k->name, v->name, n) == 0)
            return true;
    return false;
}

static void print_first_words(void) {
    const char *separator = "";

    for (const struct verb *v = verb_next(NULL); v; v = verb_next(v))
        if (!is_repeated(v)) {
            printf("%s%.*s", separator, (int)first_word(v->name), v->name);
            separator = " ";
        }
}

/* Second words behind a first. */
static void print_second_words(const char *name) {
    size_t n = first_word(name);
    const char *separator = "";

    for (const struct verb *v = verb_next(NULL); v; v = verb_next(v))
        if (strncmp(v->name, name, n) == 0 && v->name[n] == ' ') {
            printf("%s%s", separator, v->name + n + 1);
            separator = " ";
        }
}

static size_t lists_of(const struct verb *v, const struct verb_option *lists[static 8]) {
    size_t n = 0;

    for (size_t i = 0; i < ELEMENTSOF(v->options) && v->options[i]; i++)
        lists[n++] = v->options[i];
    lists[n++] = common_options;
    if (v->remote)
        lists[n++] = remote_options;
    return n;
}

static void print_options(const struct verb_option *const *lists, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (const struct verb_option *o = lists[i]; o->name; o++) {
            printf(" --%s", o->name);
            if (o->val < 128)
                printf(" -%c", o->val);
        }
}

/* "--kind=kernel|initrd": what follows an option. */
static void print_values(const struct verb_option *const *lists, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (const struct verb_option *o = lists[i]; o->name; o++) {
            if (!o->argument)
                continue;
            printf(" --%s=%s", o->name, o->argument);
            if (o->val < 128)
                printf(" -%c=%s", o->val, o->argument);
        }
}

/* "[MACHINE...]" as "MACHINE...". */
static void print_arguments(const char *s) {
    for (; *s; s++)
        if (*s != '[' && *s != ']')
            putchar(*s);
}

/* A function for bash and zsh that sets what may follow a verb. */
static void print_table(void) {
    const struct verb_option *lists[8] = {common_options, remote_options};

    printf("_cvmctl_table() {\n    opts= values= args= second=\n    case $1 in\n        '')\n            "
           "opts='");
    print_options(lists, 2);
    printf("'\n            values='");
    print_values(lists, 2);
    puts("' ;;");
    for (const struct verb *v = verb_next(NULL); v; v = verb_next(v)) {
        size_t n = lists_of(v, lists);

        if (!is_repeated(v) && strchr(v->name, ' ')) { /* a first word that is no verb alone */
            printf("        '%.*s')\n            second='", (int)first_word(v->name), v->name);
            print_second_words(v->name);
            puts("' ;;");
        }
        printf("        '%s')\n            opts='", v->name);
        print_options(lists, n);
        printf("'\n            values='");
        print_values(lists, n);
        printf("'\n            args='");
        print_arguments(v->arguments);
        if (!strchr(v->name, ' ') && verb_has_second_words(v->name)) {
            printf("'\n            second='");
            print_second_words(v->name);
        }
        puts("' ;;");
    }
    puts("    esac\n}\n");
    printf("_cvmctl_verbs='");
    print_first_words();
    puts("'\n");
}

/*
 * What both shells do: find the verb among the words before the one being typed, and say in $kind what may
 * stand there. Plain shell; $1 is the word before, the others are the words before that one, without cvmctl.
 */
static const char find_kind[] =
    "_cvmctl_kind() {\n"
    "    local last=$1 word verb= n=0 skip= value argument\n"
    "    shift\n"
    "    local opts values args second\n"
    "    _cvmctl_table ''\n"
    "    for word in \"$@\"; do\n"
    "        if [ -n \"$skip\" ]; then skip=; continue; fi\n"
    "        case $word in\n"
    "            -*=*) continue ;;\n"
    "            -*)\n"
    "                case \" $values\" in *\" $word=\"*) skip=1 ;; esac\n"
    "                continue ;;\n"
    "        esac\n"
    "        if [ -z \"$verb\" ]; then\n"
    "            verb=$word\n"
    "            _cvmctl_table \"$verb\"\n"
    "        elif [ $n -eq 0 ] && case \" $second \" in *\" $word \"*) true ;; *) false ;; esac; then\n"
    "            verb=\"$verb $word\"\n"
    "            _cvmctl_table \"$verb\"\n"
    "        else\n"
    "            n=$((n + 1))\n"
    "        fi\n"
    "    done\n"
    "    options=$opts kind= choices=\n"
    "    if [ -n \"$skip\" ]; then\n"
    "        argument=${values##* \"$last\"=}\n"
    "        kind=${argument%% *}\n"
    "        options=\n"
    "    elif [ -z \"$verb\" ]; then\n"
    "        kind=VERB\n"
    "    else\n"
    "        [ $n -eq 0 ] && choices=$second\n"
    "        value=$args\n"
    "        while [ $n -gt 0 ]; do\n"
    "            case $value in\n"
    "                *...) break ;;\n"
    "                *' '*) value=${value#* } ;;\n"
    "                *) value= ;;\n"
    "            esac\n"
    "            n=$((n - 1))\n"
    "        done\n"
    "        kind=${value%% *}\n"
    "        kind=${kind%...}\n"
    "    fi\n"
    "    case $kind in\n"
    "        VERB) choices=$_cvmctl_verbs ;;\n"
    "        MACHINE) choices=\"$choices $(cvmctl completion machines 2>/dev/null)\" ;;\n"
    "        IMAGE) choices=\"$choices $(cvmctl completion images 2>/dev/null)\" ;;\n"
    "        OPERATION) choices=\"$choices $(cvmctl completion operations 2>/dev/null)\" ;;\n"
    "        [a-z]*) choices=\"$choices $(printf %s \"$kind\" | tr '|' ' ')\" ;;\n"
    "    esac\n"
    "}\n\n";

static void print_bash(void) {
    puts("# bash completion for cvmctl, made from its verb table\n# SPDX-License-Identifier: "
         "LGPL-2.1-or-later\n");
    print_table();
    fputs(find_kind, stdout);
    puts("_cvmctl() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} kind choices options\n"
         "    local before=(\"${COMP_WORDS[@]:1:COMP_CWORD-1}\") last=\n"
         "    [ ${#before[@]} -gt 0 ] && last=${before[${#before[@]}-1]}\n"
         "    _cvmctl_kind \"$last\" \"${before[@]}\"\n"
         "    COMPREPLY=()\n"
         "    case $cur in\n"
         "        -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")); return ;;\n"
         "    esac\n"
         "    COMPREPLY=($(compgen -W \"$choices\" -- \"$cur\"))\n"
         "    case $kind in\n"
         "        *FILE*) COMPREPLY+=($(compgen -f -- \"$cur\")); compopt -o filenames 2>/dev/null ;;\n"
         "        DIR) COMPREPLY+=($(compgen -d -- \"$cur\")); compopt -o filenames 2>/dev/null ;;\n"
         "    esac\n"
         "}\n"
         "complete -F _cvmctl cvmctl");
}

static void print_zsh(void) {
    puts("#compdef cvmctl\n# Made from cvmctl's verb table\n# SPDX-License-Identifier: LGPL-2.1-or-later\n");
    print_table();
    fputs(find_kind, stdout);
    puts("_cvmctl() {\n"
         "    local kind choices options cur=${words[CURRENT]} last=\n"
         "    local -a before\n"
         "    before=(\"${(@)words[2,CURRENT-1]}\")\n"
         "    [ $#before -gt 0 ] && last=$before[-1]\n"
         "    () {\n"
         "        emulate -L sh\n"
         "        _cvmctl_kind \"$@\"\n"
         "    } \"$last\" \"${(@)before}\"\n"
         "    if [[ $cur == -* ]]; then\n"
         "        compadd -- ${=options}\n"
         "        return\n"
         "    fi\n"
         "    compadd -- ${=choices}\n"
         "    case $kind in\n"
         "        *FILE*) _files ;;\n"
         "        DIR) _files -/ ;;\n"
         "    esac\n"
         "}\n"
         "_cvmctl \"$@\"");
}

/* Text in single quotes of fish. */
static void print_quoted(const char *s) {
    putchar('\'');
    for (; *s; s++)
        if (*s == '\'' || *s == '\\')
            printf("\\%c", *s);
        else
            putchar(*s == '\n' ? ' ' : *s);
    putchar('\'');
}

/* How fish completes a kind of argument: words, names, or files. */
static void print_fish_argument(const char *kind) {
    if (strcmp(kind, "MACHINE") == 0)
        fputs(" -xa '(cvmctl completion machines 2>/dev/null)'", stdout);
    else if (strcmp(kind, "IMAGE") == 0)
        fputs(" -xa '(cvmctl completion images 2>/dev/null)'", stdout);
    else if (strcmp(kind, "OPERATION") == 0)
        fputs(" -xa '(cvmctl completion operations 2>/dev/null)'", stdout);
    else if (strcmp(kind, "VERB") == 0) {
        fputs(" -xa '", stdout);
        print_first_words();
        putchar('\'');
    } else if (strcmp(kind, "DIR") == 0)
        fputs(" -xa '(__fish_complete_directories)'", stdout);
    else if (strstr(kind, "FILE"))
        fputs(" -rF", stdout);
    else if (islower((unsigned char)kind[0])) {
        fputs(" -xa '", stdout);
        for (; *kind; kind++)
            putchar(*kind == '|' ? ' ' : *kind);
        putchar('\'');
    } else
        fputs(" -x", stdout);
}

/* Whether the line is about this verb. */
static void print_fish_condition(const char *verb) {
    printf("complete -c cvmctl -n '__cvmctl_verb \"%s\"", verb);
    if (!strchr(verb, ' ') && verb_has_second_words(verb)) {
        putchar(' ');
        print_second_words(verb);
    }
    putchar('\'');
}

static void print_fish_options(const struct verb_option *o, const char *verb) {
    for (; o->name; o++) {
        print_fish_condition(verb);
        printf(" -l %s", o->name);
        if (o->val < 128)
            printf(" -s %c", o->val);
        if (o->argument)
            print_fish_argument(o->argument);
        fputs(" -d ", stdout);
        print_quoted(o->text);
        putchar('\n');
    }
}

static void print_fish(void) {
    puts("# fish completion for cvmctl, made from its verb table\n# SPDX-License-Identifier: "
         "LGPL-2.1-or-later\n\n"
         "# The words that are no options: the verb, and what stands behind it.\n"
         "function __cvmctl_words\n"
         "    for w in (commandline -opc)[2..-1]\n"
         "        string match -qr -- '^-' $w; or echo $w\n"
         "    end\n"
         "end\n"
         "# The verb is $argv[1], and its second word none of the others.\n"
         "function __cvmctl_verb\n"
         "    set -l words (__cvmctl_words)\n"
         "    set -l verb (string split ' ' -- $argv[1])\n"
         "    test (count $words) -ge (count $verb); and test \"$words[1..\"(count $verb)\"]\" = "
         "\"$argv[1]\"; and not contains -- \"$words[2]\" $argv[2..-1]\n"
         "end\n"
         "function __cvmctl_first\n"
         "    test -z (__cvmctl_words | string collect)\n"
         "end\n"
         "function __cvmctl_second\n"
         "    test (__cvmctl_words | string collect; or echo) = $argv[1]\n"
         "end\n"
         "complete -c cvmctl -f");
    for (const struct verb *v = verb_next(NULL); v; v = verb_next(v)) {
        const char *second = strchr(v->name, ' ');
        const struct verb_option *lists[8];
        size_t n = lists_of(v, lists);
        char kind[32] = "";

        if (!is_repeated(v))
            printf("complete -c cvmctl -n __cvmctl_first -a %.*s", (int)first_word(v->name), v->name);
        else
            printf("complete -c cvmctl -n '__cvmctl_second %.*s' -a %s", (int)first_word(v->name), v->name,
                   second ? second + 1 : v->name);
        fputs(" -d ", stdout);
        print_quoted(second && !is_repeated(v) ? "" : v->summary);
        putchar('\n');
        if (second && !is_repeated(v)) {
            printf("complete -c cvmctl -n '__cvmctl_second %.*s' -a %s -d ", (int)first_word(v->name),
                   v->name, second + 1);
            print_quoted(v->summary);
            putchar('\n');
        }
        if (sscanf(v->arguments, "%*[[]%31[A-Z|]", kind) == 1 ||
            sscanf(v->arguments, "%31[A-Z|]", kind) == 1) {
            print_fish_condition(v->name);
            print_fish_argument(kind);
            putchar('\n');
        }
        for (size_t i = 0; i < n; i++)
            print_fish_options(lists[i], v->name);
    }
}

static int print_names(enum object_kind kind) {
    static const char *const keys[OBJECT_KINDS][2] = {
        [OBJECT_MACHINE] = {"Name"}, [OBJECT_IMAGE] = {"Name", "Digest"}, [OBJECT_OPERATION] = {"Id"}};
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *all = NULL, *names = json_object_new_array();
    json_object *v;
    int r;

    r = transport_open("completion", &t);
    if (r == 0)
        r = t->ops->list(t, "completion", kind, &all);
    for (size_t i = 0; r == 0 && i < json_object_array_length(all); i++)
        for (size_t k = 0; k < 2 && keys[kind][k]; k++)
            if (json_object_object_get_ex(json_object_array_get_idx(all, i), keys[kind][k], &v)) {
                json_object_array_add(names, json_object_get(v));
                if (!arg_json)
                    puts(json_object_get_string(v));
            }
    return r ?: arg_json ? print_json(names) : EXIT_OK;
}

static int print_script(const char *shell) {
    if (strcmp(shell, "bash") == 0)
        print_bash();
    else if (strcmp(shell, "zsh") == 0)
        print_zsh();
    else if (strcmp(shell, "fish") == 0)
        print_fish();
    else
        return usage_error("completion", "'%s' is no shell that cvmctl knows (bash, zsh, fish)", shell);
    return EXIT_OK;
}

/* What prints to standard output, as a string in an object. */
static int print_script_json(const char *shell) {
    _cleanup_free_ char *script = NULL;
    FILE *f, *out = stdout;
    size_t size = 0;
    int r;

    f = open_memstream(&script, &size);
    if (!f)
        return fail("completion", EXIT_FAILED, "out of memory");
    stdout = f;
    r = print_script(shell);
    stdout = out;
    if (fclose(f) != 0)
        return fail("completion", EXIT_FAILED, "out of memory");
    return r ?: done(members("shell", shell, "script", script, NULL), "%s", "");
}

int verb_completion(int argc, char **argv) {
    const char *what;

    while (verb_getopt(argc, argv) >= 0)
        ;
    what = argv[optind];
    if (strcmp(what, "machines") == 0)
        return print_names(OBJECT_MACHINE);
    if (strcmp(what, "images") == 0)
        return print_names(OBJECT_IMAGE);
    if (strcmp(what, "operations") == 0)
        return print_names(OBJECT_OPERATION);
    return arg_json ? print_script_json(what) : print_script(what);
}
