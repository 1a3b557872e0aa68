/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.freedesktop.PolicyKit1 for tests: answers as a file says, in the words of polkit's own interface.
 *
 *   fake-polkit ADDRESS RULES LOG
 *
 * RULES has lines "ACTION ANSWER", the last that fits counts, "*" fits all; read at each question. ANSWER:
 *   yes, no       as polkitd does
 *   challenge     no, but the user could authenticate; with the flag AllowUserInteraction: yes, as if somebody had
 *   late          no answer at all
 *   garbage       an answer of another type
 * LOG gets a line for each question: ACTION MACHINE METHOD FLAGS, and "cancel ID".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

static const char *rules, *log_path;

static void answer_for(const char *action, char out[16]) {
    char line[256], a[128], w[16];
    FILE *f = fopen(rules, "re");

    strcpy(out, "no");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "%127s %15s", a, w) == 2 && (strcmp(a, "*") == 0 || strcmp(a, action) == 0))
            strcpy(out, w);
    if (f)
        fclose(f);
}

static void note(const char *text) {
    FILE *f = fopen(log_path, "ae");

    if (!f)
        return;
    fprintf(f, "%s\n", text);
    fclose(f);
}

static int read_details(sd_bus_message *m, char *machine, char *method, size_t size) {
    const char *key, *value;
    int r = sd_bus_message_enter_container(m, 'a', "{ss}");

    while (r >= 0 && (r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0) {
        if (strcmp(key, "machine") == 0)
            snprintf(machine, size, "%s", value);
        if (strcmp(key, "method") == 0)
            snprintf(method, size, "%s", value);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int check(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    char machine[80] = "", method[80] = "", answer[16], text[512];
    const char *kind, *action, *id;
    unsigned flags;
    int r;

    (void)userdata;
    r = sd_bus_message_enter_container(m, 'r', "sa{sv}");
    if (r >= 0)
        r = sd_bus_message_read(m, "s", &kind);
    if (r >= 0)
        r = sd_bus_message_skip(m, "a{sv}");
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r >= 0)
        r = sd_bus_message_read(m, "s", &action);
    if (r >= 0)
        r = read_details(m, machine, method, sizeof(machine));
    if (r >= 0)
        r = sd_bus_message_read(m, "us", &flags, &id);
    if (r < 0)
        return r;
    if (strcmp(kind, "system-bus-name") != 0)
        return sd_bus_error_setf(error, "org.freedesktop.PolicyKit1.Error.Failed", "subject %s", kind);
    snprintf(text, sizeof(text), "%s %s %s %u", action, machine[0] ? machine : "-", method, flags);
    note(text);
    answer_for(action, answer);
    if (strcmp(answer, "late") == 0)
        return 1;
    if (strcmp(answer, "garbage") == 0)
        return sd_bus_reply_method_return(m, "s", "yes");
    if (strcmp(answer, "yes") == 0 || (strcmp(answer, "challenge") == 0 && flags & 1))
        return sd_bus_reply_method_return(m, "(bba{ss})", 1, 0, 0);
    return sd_bus_reply_method_return(m, "(bba{ss})", 0, strcmp(answer, "challenge") == 0, 0);
}

static int cancel(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    char text[128];
    const char *id;
    int r = sd_bus_message_read(m, "s", &id);

    (void)userdata;
    (void)error;
    if (r < 0)
        return r;
    snprintf(text, sizeof(text), "cancel %s", id);
    note(text);
    return sd_bus_reply_method_return(m, NULL);
}

/* Not a vtable: sd-bus would not let garbage out. */
static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    const char *interface = "org.freedesktop.PolicyKit1.Authority";

    if (sd_bus_message_is_method_call(m, interface, "CheckAuthorization"))
        return check(m, userdata, error);
    if (sd_bus_message_is_method_call(m, interface, "CancelCheckAuthorization"))
        return cancel(m, userdata, error);
    return 0;
}

int main(int argc, char **argv) {
    sd_bus *bus;
    int r;

    if (argc != 4)
        return 2;
    rules = argv[2];
    log_path = argv[3];
    r = sd_bus_new(&bus);
    if (r >= 0)
        r = sd_bus_set_address(bus, argv[1]);
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, 1);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r >= 0)
        r = sd_bus_add_object(bus, NULL, "/org/freedesktop/PolicyKit1/Authority", on_call, NULL);
    if (r >= 0)
        r = sd_bus_request_name(bus, "org.freedesktop.PolicyKit1", 0);
    while (r >= 0) {
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, UINT64_MAX);
    }
    fprintf(stderr, "fake-polkit: %s\n", strerror(-r));
    return 1;
}
