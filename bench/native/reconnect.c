/* Clients that come back: each after a wait of its own (full jitter), resuming where it was. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "load.h"

#define RETURNING_MAX 256 /* handshakes in flight */
#define CURSOR_MAX 512

static void wait_anew(struct load *load, struct client *client) {
    client->state = CLIENT_WAITING;
    client->again_us = now_us(load) + (int64_t)(drand48() * load->options.reconnect * 1e6);
}

void client_returns(struct load *load, struct client *client) {
    if (load->options.reconnect <= 0)
        return;
    if (!client->lost_us)
        client->lost_us = now_us(load);
    client->rest.length = client->message.length = 0;
    wait_anew(load, client);
}

void clients_return(struct load *load) {
    if (load->options.reconnect <= 0 || load->phase < PHASE_SENDING)
        return;
    int64_t now = now_us(load);
    for (uint32_t i = 0; i < load->client_count && load->client_pending < RETURNING_MAX; i++) {
        struct client *client = &load->clients[i];
        if (client->state != CLIENT_WAITING || client->again_us > now)
            continue;
        client->handler.fd = open_connection(load);
        client->state = CLIENT_CONNECTING;
        client->greeted = false;
        load->client_pending++;
        watch(load, &client->handler, EPOLLOUT, true);
    }
}

/* Remembers the newest cursor that the client was told. */
void client_remember(struct load *load, struct client *client, const uint8_t *message,
                     size_t length) {
    static const char name[] = "\"cursor\":\"";
    if (load->options.reconnect <= 0)
        return;
    const uint8_t *at = message, *end = message + length, *found = NULL;
    while (at < end && (at = memmem(at, (size_t)(end - at), name, sizeof name - 1)))
        found = at += sizeof name - 1;
    const uint8_t *close = found ? memchr(found, '"', (size_t)(end - found)) : NULL;
    if (!close || close - found > CURSOR_MAX)
        return;
    free(client->cursor);
    client->cursor = strndup((const char *)found, (size_t)(close - found));
}

/* Called with the greeting of a client that was here before, whose cursor is still the old one. */
size_t client_resume(struct load *load, struct client *client, char *text, size_t capacity) {
    if (!client->lost_us)
        return 0;
    int64_t now = now_us(load);
    histogram_add(&load->away, now - client->lost_us);
    client->lost_us = 0;
    load->counts.returned++;
    load->last_returned_us = now;
    if (!client->cursor)
        return 0;
    int n = snprintf(text, capacity, "{\"type\":\"resume\",\"cursor\":\"%s\"}", client->cursor);
    return (size_t)n;
}
