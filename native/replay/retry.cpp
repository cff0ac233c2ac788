// What a replay does where a place was not found, or turns out to have been the wrong one: it goes back, and tries
// otherwise.
#include "replay/session.h"

#include "base/clock.h"
#include "replay/checkpoint.h"
#include "replay/counter_mode.h"
#include "replay/event_places.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <utility>

namespace retrograde {

namespace {

// A divergence that stays costs this much CPU time more, the replayer's and the replayed, before it is told; on a busy
// machine this much time.
constexpr std::uint64_t most_search_cpu_ns = 10'000'000'000, most_search_ns = 60'000'000'000;
constexpr unsigned most_tries = 10'000;
// A place that was moved, and that led to a divergence sooner than before, was likely right as it was.
constexpr unsigned tries_of_a_bad_sign = 20;
// So many places before a divergence are doubted, each of them a copy of all processes, and none from long ago.
constexpr std::size_t most_doubtful = 8;
constexpr std::uint64_t most_events_back = 20'000;

// Interrupts and ends of time that come while a run is made again: the run that goes on is stopped for them.
class KeptStops {
  public:
    KeptStops(std::atomic<bool> &interrupted, std::atomic<bool> &time_is_up)
        : interrupted_(interrupted), time_is_up_(time_is_up) {}
    KeptStops(const KeptStops &) = delete;
    ~KeptStops() {
        if (is_interrupted_)
            interrupted_ = true;
        if (is_time_up_)
            time_is_up_ = true;
    }

    // Returns whether it is one of those.
    bool keep(StopKind why) {
        is_interrupted_ |= why == StopKind::interrupted;
        is_time_up_ |= why == StopKind::time_limit;
        return why == StopKind::interrupted || why == StopKind::time_limit;
    }
    bool is_interrupted() const { return is_interrupted_; }

  private:
    std::atomic<bool> &interrupted_, &time_is_up_;
    bool is_interrupted_ = false, is_time_up_ = false;
};

} // namespace

void Session::remember_early() {
    early_.reset();
    remove_breakpoints(); // no part of the copy
    try {
        early_ = Early{checkpoint(), steps_, passes_};
    } catch (const Failure &) {
        // Without it the replay begins anew where that was wrong.
    }
    insert_breakpoints();
}

// Where the place that was passed by last has not come again. Returns false where there was none.
bool Session::return_to_early() {
    if (passed_ != next_ || !early_)
        return false;
    at_once_.insert(next_);
    candidate_.reset();
    remove_breakpoints();
    const Early early = *early_;
    restore(*early.checkpoint);
    passed_ = tick_event_ = ~0ull;
    steps_ = early.steps;
    passes_ = early.passes;
    return true;
}

// Counts a place with the registers and memory of the one that is looked for, where the thread is not taken to be
// there.
void Session::count_match() {
    if (match_.event != next_)
        match_ = {next_, 0, false};
    if (!std::exchange(match_.is_here, true))
        match_.passed++;
}

// Whether the place is known to be one of those before the right one.
bool Session::passes_by_match() {
    const bool is_counted = match_.event == next_;
    if (is_counted && match_.is_here)
        return true;
    const auto later = later_match_.find(next_);
    return later != later_match_.end() && (is_counted ? match_.passed : 0) < later->second;
}

// Where the place of a signal or switch was not found. The words that lay around it then need not be the same in each
// run. (The dynamic linker's resolver saves vectors to the stack by xsavec, which leaves out what the processor takes
// for unused at the moment: Intel SDM volume 1, 13.6.) And a jump before it sees nobody who comes to it by another way.
// It is to be looked for again with fewer words, or without such a jump. Returns false where there is nothing to look
// at again.
bool Session::reconsider() {
    const std::uint64_t event = next_;
    if (passed_ == event)
        at_once_.insert(event);
    else if (jump_compared_words_ && !doubted_.contains(event))
        doubted_[event] = {}; // see all candidates first
    else if (candidate_ && candidate_->event == event && doubted_[event].empty())
        doubted_[event] = candidate_->others;
    else if (jump_was_before_ && !several_ways_.contains(event))
        several_ways_.insert(event);
    else
        return false;
    candidate_.reset();
    return true;
}

// Which registers and memory tell apart only in part are the places in a loop whose turns leave all of them the same:
// the thread is taken to be at its place too early. That shows where it, or who reads what it has written, does
// something else. Then the last places before that are doubted, and each is moved to the next one that is the same, in
// turns, until the event is passed that was diverged at. Returns whether the run is to begin anew, since one was moved
// or since it was begun anew for that.
bool Session::find_wrong_place(const RunRequest &request) {
    // Who looks for a place does not know whether it will come; who steps is between two events.
    if (request.place || request.step_tid != 0 || given_up_.contains(next_) || !begin_search())
        return false;
    const std::uint64_t event = search_->event;
    struct Cleanup {
        Session &session;
        std::map<std::uint64_t, std::uint64_t> known;
        bool is_passed = false;
        ~Cleanup() {
            if (is_passed && session.search_->tries > 0)
                session.moved_.push_back(session.search_->tried);
            if (!is_passed)
                session.later_match_ = known;
            session.search_.reset();
        }
    } search{*this, later_match_};
    KeptStops kept(interrupted_, time_is_up_);
    request_ = {.behind_event = event, .stops = false};
    begin_again();
    for (bool goes_on = true; goes_on && !search.is_passed && !kept.is_interrupted();) {
        try {
            kept.keep(run_on().kind);
            search.is_passed = next_ > event;
        } catch (const Divergence &) {
            goes_on = return_to_early() || try_next_match();
        }
    }
    if (!search.is_passed && !kept.is_interrupted())
        given_up_.insert(event);
    return true;
}

bool Session::begin_search() {
    Search search{next_, {}, later_match_};
    std::map<std::uint32_t, std::uint64_t> next_of; // by thread: the event after, where that is at a place
    for (std::uint64_t seq = next_, first = next_ - std::min(next_, most_events_back);
         seq-- > first && search.doubtful.size() < most_doubtful;) {
        const Event event = stream_[seq];
        if (!options_.follow.empty() && !options_.follow.contains(event.pid))
            continue;
        // It was switched out there, and then got a signal: that is one place.
        if (const auto after = next_of.find(event.tid); after != next_of.end()) {
            if (happens_at_place(event) && same_place(place_of(event), place_of(stream_[after->second])))
                search.doubtful.erase(after->second);
            next_of.erase(after);
        }
        if (happens_at_place(event)) {
            search.doubtful[seq];
            next_of[event.tid] = seq;
        }
    }
    if (search.doubtful.empty())
        return false;
    search_ = std::move(search);
    return true;
}

// A thread has come to where an event is about to happen.
void Session::note_match() {
    const auto found = search_->doubtful.find(next_);
    const std::uint64_t passed = match_.event == next_ ? match_.passed : 0;
    if (found == search_->doubtful.end())
        return;
    Doubtful &place = found->second;
    if (search_->tries == 0)
        later_match_[next_] = search_->known[next_] = passed; // as nobody knows whether time tells the same again
    else if (search_->tried != next_ || passed <= place.passed)
        return;
    try {
        place.checkpoint = checkpoint();
        place.passed = passed;
        search_->is_found = true;
    } catch (const Failure &) {
        // No room for a copy: this place is not moved.
    }
}

// Returns false where there is none left.
bool Session::try_next_match() {
    const CounterMode others_may_read_clocks(true);
    Search &search = *search_;
    const std::uint64_t now = read_clock_ns(CLOCK_MONOTONIC), own_cpu = read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (search.tries == 0) {
        search.begin_ns = now;
        search.begin_own_cpu_ns = own_cpu;
        std::erase_if(search.doubtful, [](const auto &place) { return !place.second.checkpoint; });
    } else if (!search.is_found) {
        search.doubtful.erase(search.tried);
    } else if (next_ < search.event) {
        search.doubtful[search.tried].tries += tries_of_a_bad_sign;
    }
    search.replayed_cpu_ns += search.tries == 0 ? 0 : cpu_time_ns(); // those that were made for this try
    if (search.doubtful.empty() || search.tries == most_tries || now - search.begin_ns > most_search_ns ||
        own_cpu - search.begin_own_cpu_ns + search.replayed_cpu_ns > most_search_cpu_ns)
        return false;
    // Of those that were tried least, the last.
    const auto next = std::min_element(search.doubtful.rbegin(), search.doubtful.rend(),
                                       [](const auto &a, const auto &b) { return a.second.tries < b.second.tries; });
    search.tries++;
    next->second.tries++;
    search.tried = next->first;
    search.is_found = false;
    later_match_ = search.known;
    later_match_[next->first] = next->second.passed + 1;
    candidate_.reset();
    restore(*next->second.checkpoint);
    tick_event_ = ~0ull;
    return true;
}

void Session::begin_again() {
    remove_breakpoints();
    early_.reset();
    passed_ = tick_event_ = ~0ull;
    end_all();
    shared_ = {};
    next_ = 0;
    begun_ = ~0ull;
    match_ = {};
    begin();
}

// Comes to where it was, and puts all to what it was then.
void Session::run_again(const Begun &begun) {
    request_ = {.behind_event = begun.behind_event, .stops = false};
    KeptStops kept(interrupted_, time_is_up_);
    while (next_ <= begun.behind_event)
        if (!kept.keep(run_on().kind))
            break;
    request_ = begun.request;
    told_ = begun.told;
    steps_ = steps_before_ = begun.steps;
    passes_ = passes_before_ = begun.passes;
}

} // namespace retrograde
