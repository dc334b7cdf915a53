/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/drift.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strutil.h"
#include "daemon/audit.h"
#include "daemon/foreign.h"
#include "daemon/guard.h"
#include "daemon/keeper.h"
#include "daemon/nodes.h"
#include "daemon/recover.h"
#include "db/drift.h"

/* Longer than a database that somebody keeps locked is waited for, from the beginning of that (db/db.h): others get their turn. */
#define RETRY_USEC (5 * USEC_PER_SEC)

/* Whoever changes nodes again more often than that has them. */
#define GRANTS_MAX 5U

/* Above that many groups everything is looked at. */
#define CHANGED_MAX 64U

/* What is known of one keeper. */
typedef struct Watched {
        uint64_t assignment, reservation; /* one of them, the other is 0 */
        DriftList said;
        VfOf *vfs;
        size_t n_vfs;
        bool nodes_differ; /* at the last look: they are not whose they should be */
        bool to_grant;     /* and nothing is done about it yet */
        unsigned n_grants; /* how often they were given again since the clock found them right */
} Watched;

/* Which groups have changed: all of them, or these. */
typedef struct Changed {
        bool all;
        uint32_t groups[CHANGED_MAX];
        size_t n_groups;
} Changed;

struct DriftWatch {
        Manager *manager;
        bool started;
        sd_event_source *look;
        sd_event_source *timer;
        Changed changed; /* what the next look is about */
        bool trying_again; /* the timer is for what could not be recorded */
        Watched *items;
        size_t n_items;
        PciAddress *appeared;
        size_t n_appeared;
};

static void watched_done(Watched *watched) {
        drift_list_done(&watched->said);
        free(watched->vfs);
        *watched = (Watched) {};
}

DriftWatch *drift_watch_free(DriftWatch *watch) {
        if (!watch)
                return NULL;

        sd_event_source_disable_unref(watch->look);
        sd_event_source_disable_unref(watch->timer);
        for (size_t i = 0; i < watch->n_items; i++)
                watched_done(&watch->items[i]);
        free(watch->items);
        free(watch->appeared);
        free(watch);
        return NULL;
}

static int get_watched(DriftWatch *watch, uint64_t assignment, uint64_t reservation, Watched **ret) {
        Watched *items;

        for (size_t i = 0; i < watch->n_items; i++)
                if (watch->items[i].assignment == assignment && watch->items[i].reservation == reservation) {
                        *ret = &watch->items[i];
                        return 0;
                }
        items = reallocarray(watch->items, watch->n_items + 1, sizeof(Watched));
        if (!items)
                return -ENOMEM;
        watch->items = items;
        items[watch->n_items] = (Watched) { .assignment = assignment, .reservation = reservation };
        *ret = &items[watch->n_items++];
        return 0;
}

static void forget_ended(DriftWatch *watch) {
        size_t kept = 0;

        for (size_t i = 0; i < watch->n_items; i++)
                if (manager_find_assignment(watch->manager, watch->items[i].assignment) ||
                    (watch->items[i].reservation > 0 && reservation_table_find(&watch->manager->reservations, watch->items[i].reservation)))
                        watch->items[kept++] = watch->items[i];
                else
                        watched_done(&watch->items[i]);
        watch->n_items = kept;
}

/* What is a VF now is known as one when it is gone. */
static int note_vfs(const Facts *facts, const RecordList *records, Watched *watched) {
        for (size_t i = 0; i < records->n_items; i++) {
                const Device *device = facts_find_device(facts, &records->items[i].address);
                bool known = false;
                VfOf *vfs;

                if (!device || !device->is_vf)
                        continue;
                for (size_t k = 0; k < watched->n_vfs; k++)
                        known |= pci_address_compare(&watched->vfs[k].vf, &device->address) == 0;
                if (known)
                        continue;
                vfs = reallocarray(watched->vfs, watched->n_vfs + 1, sizeof(VfOf));
                if (!vfs)
                        return -ENOMEM;
                vfs[watched->n_vfs++] = (VfOf) { .vf = device->address, .physfn = device->physfn };
                watched->vfs = vfs;
        }
        return 0;
}

static bool is_at_work(const Manager *manager, const Keeper *keeper) {
        for (size_t g = 0; g < keeper->n_groups; g++)
                if (manager_group_operation(manager, keeper->groups[g]) || recovery_awaits_group(manager->recovery, keeper->groups[g]))
                        return true;
        return false;
}

/* What one look at a keeper has to say, and the quarantines that follow from it. */
typedef struct News {
        DriftList list;
        ForeignManager *managers; /* one a drift */
        QuarantineTable quarantines;
} News;

static void news_done(News *news) {
        drift_list_done(&news->list);
        free(news->managers);
        quarantine_table_done(&news->quarantines);
}

static const Quarantine *find_quarantine(const Manager *manager, const News *news, uint32_t number) {
        const Group *group = facts_find_group(manager_facts(manager), number);
        const Quarantine *quarantine = NULL;

        if (group)
                quarantine = quarantine_table_find_group(&manager->quarantines, group) ?: quarantine_table_find_group(&news->quarantines, group);
        return quarantine;
}

static bool has_records(const Keeper *keeper, uint32_t group) {
        for (size_t i = 0; i < keeper->records->n_items; i++)
                if (keeper->records->items[i].group == group)
                        return true;
        return false;
}

static int news_quarantine(const Manager *manager, const Keeper *keeper, const Drift *drift, News *news) {
        _cleanup_(quarantine_freep) Quarantine *quarantine = NULL;
        int r;

        if (!drift->isolation_at_stake || find_quarantine(manager, news, drift->group) || !has_records(keeper, drift->group))
                return 0;
        r = quarantine_new(drift_code_to_string(drift->code), drift->detail, keeper->records, drift->group, &quarantine);
        if (r >= 0)
                r = quarantine_add_strangers(quarantine, facts_find_group(manager_facts(manager), drift->group));
        if (r < 0)
                return r;
        quarantine->assignment = keeper->assignment;
        r = quarantine_table_add(&news->quarantines, quarantine);
        if (r >= 0)
                TAKE_PTR(quarantine);
        return r;
}

/* Drivers and overrides are what other managers change. */
static ForeignManager manager_behind(const Manager *manager, const Drift *drift) {
        return drift->code == DRIFT_DRIVER_CHANGED || drift->code == DRIFT_OVERRIDE_CHANGED || drift->code == DRIFT_DEVICE_JOINED
                               ? foreign_manager_of(manager, &drift->address)
                               : FOREIGN_NONE;
}

static int news_add(const Manager *manager, const Keeper *keeper, const Drift *drift, News *news) {
        ForeignManager *managers;
        int r;

        managers = reallocarray(news->managers, news->list.n_items + 1, sizeof(ForeignManager));
        if (!managers)
                return -ENOMEM;
        news->managers = managers;
        managers[news->list.n_items] = manager_behind(manager, drift);
        r = drift_list_add(&news->list, drift);
        if (r < 0)
                return r;
        return news_quarantine(manager, keeper, drift, news);
}

static int news_gather(const Manager *manager, const Keeper *keeper, const DriftList *now, const DriftList *said, News *news) {
        for (size_t i = 0; i < now->n_items; i++) {
                int r;

                if (drift_list_contains(said, &now->items[i]))
                        continue;
                r = news_add(manager, keeper, &now->items[i], news);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int journal_one(Manager *manager, const Keeper *keeper, const News *news, size_t i, uint64_t now_usec) {
        const Drift *drift = &news->list.items[i];
        const Quarantine *quarantine = drift->isolation_at_stake ? find_quarantine(manager, news, drift->group) : NULL;
        int r;

        r = db_drift_insert(manager->db, &(DbDrift) {
                .at_usec = now_usec,
                .code = drift_code_to_string(drift->code),
                .group = drift->group,
                .address = PCI_ADDRESS_FORMAT(&drift->address),
                .detail = drift->detail,
                .assignment = (int64_t) keeper->assignment,
                .reservation = (int64_t) keeper->reservation,
                .manager = foreign_manager_to_string(news->managers[i]),
                .quarantine = quarantine ? (int64_t) quarantine->id : 0,
        });
        if (r < 0)
                return r;
        return audit_drift(manager->db, keeper->name, keeper->assignment, drift, foreign_manager_to_string(news->managers[i]));
}

static int news_journal(Manager *manager, const Keeper *keeper, News *news) {
        _cleanup_(db_transaction_done) Db *transaction = NULL;
        uint64_t now_usec = realtime_usec();
        int r;

        r = db_begin(manager->db);
        if (r < 0)
                return r;
        transaction = manager->db;
        for (size_t i = 0; i < news->quarantines.n_items; i++) {
                r = quarantine_journal_begin(manager->db, news->quarantines.items[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < news->list.n_items; i++) {
                r = journal_one(manager, keeper, news, i, now_usec);
                if (r < 0)
                        return r;
        }
        transaction = NULL;
        return db_commit(manager->db);
}

/* The groups are closed before anybody hears why. */
static void news_close_groups(Manager *manager, News *news) {
        for (size_t i = 0; i < news->quarantines.n_items; i++) {
                Quarantine *quarantine = news->quarantines.items[i];
                uint32_t group = quarantine->records.items[0].group;

                if (quarantine_table_add(&manager->quarantines, quarantine) < 0) {
                        log_error("Group %" PRIu32 " is quarantined only from the next start on, for want of memory", group);
                        quarantine_free(quarantine);
                        continue;
                }
                log_error("Group %" PRIu32 " is quarantined: %s", group, quarantine->detail);
        }
        free(news->quarantines.items);
        news->quarantines = (QuarantineTable) {};
}

static void news_say(Manager *manager, const News *news) {
        for (size_t i = 0; i < news->list.n_items; i++) {
                const Drift *drift = &news->list.items[i];
                const char *foreign = foreign_manager_to_string(news->managers[i]);

                log_warning("Drift in group %" PRIu32 ", %s: %s%s%s", drift->group, drift_code_to_string(drift->code), drift->detail,
                            foreign ? "; this may be the doing of " : "", foreign ?: "");
                if (manager->observer.drift)
                        manager->observer.drift(manager->observer.userdata, drift, foreign);
                manager_say_groups(manager, &drift->group, 1);
        }
}

static int look_at_nodes(const Manager *manager, uint64_t id, Watched *watched, DriftList *now) {
        size_t n = now->n_items;
        int r;

        r = nodes_find_drift(manager, manager_find_assignment(manager, id), now);
        watched->nodes_differ = watched->to_grant = now->n_items > n;
        return r;
}

static int look_at(DriftWatch *watch, const Keeper *keeper) {
        Manager *manager = watch->manager;
        _cleanup_(drift_list_done) DriftList now = {};
        _cleanup_(news_done) News news = {};
        Watched *watched;
        int r;

        r = get_watched(watch, keeper->assignment, keeper->reservation, &watched);
        if (r >= 0)
                r = note_vfs(manager_facts(manager), keeper->records, watched);
        if (r >= 0)
                r = drift_find(keeper->records, manager_facts(manager), watched->vfs, watched->n_vfs, &now);
        if (r >= 0 && keeper->assignment > 0)
                r = look_at_nodes(manager, keeper->assignment, watched, &now);
        if (r >= 0)
                r = news_gather(manager, keeper, &now, &watched->said, &news);
        if (r >= 0 && news.list.n_items > 0)
                r = news_journal(manager, keeper, &news);
        if (r < 0)
                return r;
        drift_list_done(&watched->said);
        watched->said = now;
        now = (DriftList) {};
        news_close_groups(manager, &news);
        news_say(manager, &news);
        return 0;
}

/* Those that cannot be guarded yet are tried again when the operation on their group has ended. */
static void guard_appeared(DriftWatch *watch) {
        size_t kept = 0;

        for (size_t i = 0; i < watch->n_appeared; i++) {
                int r = guard_begin(watch->manager, &watch->appeared[i]);

                if (r == -EBUSY)
                        watch->appeared[kept++] = watch->appeared[i];
                else if (r < 0)
                        log_error_errno(r, "Failed to guard %s, which has joined a held group: %m", PCI_ADDRESS_FORMAT(&watch->appeared[i]));
        }
        watch->n_appeared = kept;
}

/* Nodes are the one thing that is put right: udev's rules come late, and mean no harm. Somebody who insists is left with what he did, and it stays said. */
static void grant_again(DriftWatch *watch) {
        for (size_t i = 0; i < watch->n_items; i++) {
                Watched *watched = &watch->items[i];
                int r;

                if (!watched->to_grant || watched->n_grants > GRANTS_MAX)
                        continue;
                watched->to_grant = false;
                if (watched->n_grants == GRANTS_MAX) {
                        watched->n_grants++;
                        log_error("The nodes of assignment %" PRIu64 " were given again %u times and are changed by somebody every time; they are left so",
                                  watched->assignment, GRANTS_MAX);
                        continue;
                }
                r = nodes_grant(watch->manager, watched->assignment);
                if (r >= 0)
                        watched->n_grants++;
                else if (r != -EBUSY) /* whoever works on the group has it looked at again afterwards */
                        log_error_errno(r, "Failed to give the nodes of assignment %" PRIu64 " again: %m", watched->assignment);
        }
}

/* The clock has looked: where nothing has to be given again, nobody insists. */
static void forget_grants(DriftWatch *watch) {
        for (size_t i = 0; i < watch->n_items; i++)
                if (!watch->items[i].nodes_differ)
                        watch->items[i].n_grants = 0;
}

static void arm_timer(DriftWatch *watch, uint64_t usec) {
        int r;

        r = sd_event_source_set_time_relative(watch->timer, usec);
        if (r >= 0)
                r = sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Drift is not looked for by the clock any more: %m");
}

static bool is_concerned(const Changed *changed, const Keeper *keeper) {
        for (size_t i = 0; i < changed->n_groups; i++)
                for (size_t g = 0; g < keeper->n_groups; g++)
                        if (keeper->groups[g] == changed->groups[i])
                                return true;
        return changed->all;
}

static void look(DriftWatch *watch) {
        const Changed changed = watch->changed;
        int r = 0, k;

        watch->changed = (Changed) {}; /* more may come while this is told */
        if (changed.all)
                forget_ended(watch);
        for (size_t i = 0; i < keeper_count(watch->manager); i++) {
                Keeper keeper;

                if (!keeper_at(watch->manager, i, &keeper) || !is_concerned(&changed, &keeper) || is_at_work(watch->manager, &keeper))
                        continue;
                k = look_at(watch, &keeper);
                r = r < 0 ? r : k;
        }
        guard_appeared(watch);
        grant_again(watch);
        watch->trying_again = r < 0;
        if (r < 0)
                log_error_errno(r, "Failed to record how the host drifted, trying again: %m");
        if (watch->trying_again)
                arm_timer(watch, RETRY_USEC);
        else if (keeper_count(watch->manager) > 0 && watch->manager->config->reconcile_usec > 0)
                arm_timer(watch, watch->manager->config->reconcile_usec);
        else
                (void) sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
}

static int on_look(sd_event_source *source, void *userdata) {
        look(userdata);
        return 0;
}

/* Nobody tells of a changed override: everything is read afresh. */
static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        DriftWatch *watch = userdata;
        int r;

        if (!watch->trying_again) {
                r = inventory_rescan(&watch->manager->inventory);
                if (r < 0)
                        log_warning_errno(r, "Failed to look at the host afresh: %m");
        } else
                manager_probe_database(watch->manager);
        watch->changed.all = true;
        look(watch);
        forget_grants(watch);
        return 0;
}

static int on_drift(const DbDrift *row, void *userdata) {
        DriftWatch *watch = userdata;
        Drift drift = { .code = drift_code_from_string(row->code), .group = row->group, .detail = (char *) row->detail };
        Watched *watched;
        int r;

        if (drift.code < 0 || (row->assignment == 0 && row->reservation == 0) || pci_address_parse(row->address ?: "", &drift.address) < 0)
                return 0;
        r = get_watched(watch, (uint64_t) row->assignment, (uint64_t) row->reservation, &watched);
        if (r < 0 || drift_list_contains(&watched->said, &drift))
                return r;
        return drift_list_add(&watched->said, &drift);
}

static int add_sources(DriftWatch *watch) {
        int r;

        r = sd_event_add_defer(watch->manager->event, &watch->look, on_look, watch);
        if (r >= 0)
                r = sd_event_source_set_enabled(watch->look, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(watch->manager->event, &watch->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_timer, watch);
        if (r >= 0)
                r = sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(watch->look, "drift-look");
        (void) sd_event_source_set_description(watch->timer, "drift-timer");
        return 0;
}

int drift_watch_new(Manager *manager, DriftWatch **ret) {
        _cleanup_(drift_watch_freep) DriftWatch *watch = calloc(1, sizeof(DriftWatch));
        int r;

        if (!watch)
                return -ENOMEM;
        watch->manager = manager;
        r = add_sources(watch);
        if (r >= 0)
                r = db_drift_foreach_current(manager->db, on_drift, watch);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(watch);
        return 0;
}

static void schedule(DriftWatch *watch) {
        int r;

        r = sd_event_source_set_enabled(watch->look, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Drift is not looked for: %m");
}

void drift_watch_changed(DriftWatch *watch, const uint32_t *groups, size_t n_groups) {
        if (!watch || !watch->started)
                return;
        if (n_groups > CHANGED_MAX - watch->changed.n_groups)
                watch->changed.all = true;
        for (size_t i = 0; !watch->changed.all && i < n_groups; i++)
                watch->changed.groups[watch->changed.n_groups++] = groups[i];
        schedule(watch);
}

void drift_watch_start(DriftWatch *watch) {
        watch->started = watch->changed.all = true;
        schedule(watch);
}

void drift_watch_nodes(DriftWatch *watch) {
        if (watch && watch->started)
                drift_watch_start(watch);
}

void drift_watch_appeared(DriftWatch *watch, const PciAddress *address) {
        PciAddress *appeared;

        if (!watch || !watch->started || keeper_count(watch->manager) == 0)
                return;
        appeared = reallocarray(watch->appeared, watch->n_appeared + 1, sizeof(PciAddress));
        if (!appeared) {
                log_error("%s is not guarded, for want of memory", PCI_ADDRESS_FORMAT(address));
                return;
        }
        appeared[watch->n_appeared++] = *address;
        watch->appeared = appeared;
        watch->changed.all = true;
        schedule(watch);
}
