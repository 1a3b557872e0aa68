// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The load and the baseline of the REST figures.
 *
 *   bench-rest load SOCKET|PORT PATH CONNECTIONS SECONDS [CA CERT KEY]   keep-alive GETs, one thread a connection
 *   bench-rest bare SOCKET|PORT FILE [CA CERT KEY]                       a libmicrohttpd handler that answers FILE
 *
 * load prints {"rps": N, "p50_us": N, "p99_us": N, "errors": N}.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define SAMPLES_MAX 2000000u

static void die(const char *what) {
    fprintf(stderr, "bench-rest: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int address(const char *where, struct sockaddr_storage *a, socklen_t *size) {
    memset(a, 0, sizeof(*a));
    if (where[0] == '/') {
        struct sockaddr_un *u = (struct sockaddr_un *)a;

        u->sun_family = AF_UNIX;
        snprintf(u->sun_path, sizeof(u->sun_path), "%s", where);
        *size = sizeof(*u);
        return AF_UNIX;
    }
    struct sockaddr_in *i = (struct sockaddr_in *)a;

    i->sin_family = AF_INET;
    i->sin_port = htons((uint16_t)atoi(where));
    i->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *size = sizeof(*i);
    return AF_INET;
}

static char *slurp(const char *path, size_t *size) {
    FILE *f = fopen(path, "r");
    char *p = malloc(1 << 20);
    size_t n;

    if (!f || !p)
        die(path);
    n = fread(p, 1, (1 << 20) - 1, f);
    p[n] = 0;
    fclose(f);
    if (size)
        *size = n;
    return p;
}

/* --- the baseline --- */

static struct MHD_Response *answer;

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
                                  const char *data, size_t *size, void **con) {
    static int seen;

    (void)cls, (void)url, (void)method, (void)version, (void)data, (void)size;
    if (!*con) { /* answered in the second call, as one must for the connection to stay */
        *con = &seen;
        return MHD_YES;
    }
    return MHD_queue_response(c, MHD_HTTP_OK, answer);
}

static int bare(int argc, char **argv) {
    struct sockaddr_storage a;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD;
    struct MHD_Daemon *d;
    socklen_t size;
    size_t n;
    char *text = slurp(argv[3], &n);
    int fd = socket(address(argv[2], &a, &size), SOCK_STREAM, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&a, size) < 0 || listen(fd, 1024) < 0)
        die(argv[2]);
    answer = MHD_create_response_from_buffer(n, text, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(answer, "Content-Type", "application/json");
    if (argc > 4)
        d = MHD_start_daemon(flags | MHD_USE_TLS, 0, NULL, NULL, on_request, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
                             MHD_OPTION_HTTPS_MEM_TRUST, slurp(argv[4], NULL), MHD_OPTION_HTTPS_MEM_CERT, slurp(argv[5], NULL),
                             MHD_OPTION_HTTPS_MEM_KEY, slurp(argv[6], NULL), MHD_OPTION_HTTPS_PRIORITIES,
                             "NORMAL:-VERS-ALL:+VERS-TLS1.3:%NO_TICKETS", MHD_OPTION_END);
    else
        d = MHD_start_daemon(flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_END);
    if (!d)
        die("libmicrohttpd");
    pause();
    return 0;
}

/* --- the load --- */

struct client {
    pthread_t thread;
    const char *where, *request;
    SSL_CTX *tls;
    uint32_t *samples;
    size_t n;
    unsigned errors;
    double seconds;
};

static atomic_bool stop;

static bool transfer(SSL *ssl, int fd, const char *request, size_t size, char *buf, size_t max) {
    size_t n = 0;
    char *body;

    if ((ssl ? SSL_write(ssl, request, (int)size) : (int)send(fd, request, size, MSG_NOSIGNAL)) != (int)size)
        return false;
    for (;;) {
        int k = ssl ? SSL_read(ssl, buf + n, (int)(max - 1 - n)) : (int)recv(fd, buf + n, max - 1 - n, 0);

        if (k <= 0)
            return false;
        n += (size_t)k;
        buf[n] = 0;
        body = strstr(buf, "\r\n\r\n");
        if (body) {
            const char *length = strcasestr(buf, "\r\nContent-Length:");
            size_t want = length ? strtoul(length + 17, NULL, 10) : 0;

            if (n >= (size_t)(body + 4 - buf) + want)
                return strncmp(buf, "HTTP/1.1 200", 12) == 0;
        }
        if (n + 1 >= max)
            return false;
    }
}

static void *run(void *data) {
    struct client *c = data;
    struct sockaddr_storage a;
    size_t size = strlen(c->request), max = 1 << 20;
    char *buf = malloc(max);
    socklen_t asize;
    int fd = socket(address(c->where, &a, &asize), SOCK_STREAM, 0), one = 1;
    SSL *ssl = NULL;

    if (a.ss_family == AF_INET)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (!buf || connect(fd, (struct sockaddr *)&a, asize) < 0)
        die(c->where);
    if (c->tls) {
        ssl = SSL_new(c->tls);
        SSL_set_fd(ssl, fd);
        if (SSL_connect(ssl) != 1)
            die("TLS");
    }
    while (!stop) {
        uint64_t start = now_ns();

        if (!transfer(ssl, fd, c->request, size, buf, max)) {
            c->errors++;
            break;
        }
        if (c->n < SAMPLES_MAX / CONNECTIONS_MAX * 8)
            c->samples[c->n++] = (uint32_t)(now_ns() - start);
    }
    SSL_free(ssl);
    close(fd);
    free(buf);
    return NULL;
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static int load(int argc, char **argv) {
    static struct client clients[CONNECTIONS_MAX];
    unsigned n = (unsigned)atoi(argv[4]), errors = 0;
    char request[512];
    SSL_CTX *tls = NULL;
    uint32_t *all;
    size_t total = 0;
    uint64_t start;
    double seconds;

    if (n < 1 || n > CONNECTIONS_MAX)
        return 2;
    if (argc > 6) {
        tls = SSL_CTX_new(TLS_client_method());
        if (!tls || SSL_CTX_load_verify_locations(tls, argv[6], NULL) != 1 ||
            SSL_CTX_use_certificate_file(tls, argv[7], SSL_FILETYPE_PEM) != 1 ||
            SSL_CTX_use_PrivateKey_file(tls, argv[8], SSL_FILETYPE_PEM) != 1)
            die("certificates");
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    }
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[3]);
    start = now_ns();
    for (unsigned i = 0; i < n; i++) {
        clients[i] = (struct client){.where = argv[2], .request = request, .tls = tls,
                                     .samples = malloc(sizeof(uint32_t) * (SAMPLES_MAX / CONNECTIONS_MAX * 8))};
        if (!clients[i].samples || pthread_create(&clients[i].thread, NULL, run, &clients[i]) != 0)
            die("threads");
    }
    usleep((useconds_t)(atof(argv[5]) * 1e6));
    stop = true;
    for (unsigned i = 0; i < n; i++) {
        pthread_join(clients[i].thread, NULL);
        total += clients[i].n;
        errors += clients[i].errors;
    }
    seconds = (double)(now_ns() - start) / 1e9;
    all = malloc(sizeof(*all) * (total ? total : 1));
    if (!all)
        die("memory");
    for (unsigned i = 0, at = 0; i < n; i++) {
        memcpy(all + at, clients[i].samples, clients[i].n * sizeof(*all));
        at += clients[i].n;
    }
    qsort(all, total, sizeof(*all), compare);
    printf("{\"rps\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"errors\": %u}\n", (double)total / seconds,
           total ? all[total / 2] / 1e3 : 0, total ? all[total * 99 / 100] / 1e3 : 0, errors);
    return errors || !total;
}

int main(int argc, char **argv) {
    if (argc >= 6 && strcmp(argv[1], "load") == 0)
        return load(argc, argv);
    if (argc >= 4 && strcmp(argv[1], "bare") == 0)
        return bare(argc, argv);
    fprintf(stderr, "usage: bench-rest load SOCKET|PORT PATH CONNECTIONS SECONDS [CA CERT KEY]\n"
                    "       bench-rest bare SOCKET|PORT FILE [CA CERT KEY]\n");
    return 2;
}
