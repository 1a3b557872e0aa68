/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport.h"

#include "http.h"

const char *arg_bus_address, *arg_host;
static const char *arg_cacert, *arg_cert, *arg_key;

enum { OPTION_BUS_ADDRESS = 2100, OPTION_HOST, OPTION_CACERT, OPTION_CERT, OPTION_KEY };

const struct verb_option remote_options[] = {
    {"host", OPTION_HOST, "URL",
     "talk to this host's gateway (https://HOST:7443, unix:PATH, or a\nname of hosts.conf)"},
    {"cacert", OPTION_CACERT, "FILE", "the authority that the gateway's certificate must come from"},
    {"client-cert", OPTION_CERT, "FILE", "your certificate, PEM"},
    {"client-key", OPTION_KEY, "FILE", "its private key, PEM"},
    {"bus-address", OPTION_BUS_ADDRESS, "ADDRESS", "talk to cvmd on this D-Bus bus"},
    {0},
};

int remote_option_take(int opt, const char *arg) {
    switch (opt) {
    case OPTION_BUS_ADDRESS:
        arg_bus_address = arg;
        break;
    case OPTION_HOST:
        arg_host = arg;
        break;
    case OPTION_CACERT:
        arg_cacert = arg;
        break;
    case OPTION_CERT:
        arg_cert = arg;
        break;
    case OPTION_KEY:
        arg_key = arg;
        break;
    default:
        break;
    }
    return -1;
}

int transport_open(const char *verb, struct transport **ret) {
    struct http_target target = {.url = arg_host, .cacert = arg_cacert, .cert = arg_cert, .key = arg_key};

    return arg_host ? transport_rest_open(verb, &target, ret) : transport_bus_open(verb, ret);
}
