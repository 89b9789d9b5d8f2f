// Ranges of time, by the clock of this machine or, with "GMT" as the last argument, by that of
// Greenwich. Both ends belong to a range; one that ends before it begins goes round.
(function (chance) {
    const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

    function taken(all) {
        const list = Array.prototype.slice.call(all);
        const gmt = list.length > 0 && String(list[list.length - 1]).toUpperCase() === "GMT";
        if (gmt) list.pop();
        const now = new Date();
        const read = (what) => gmt ? now["getUTC" + what]() : now["get" + what]();
        return { list, read };
    }

    const around = (from, at, to) => from <= to ? from <= at && at <= to : from <= at || at <= to;
    const place = (names, name) => names.indexOf(String(name).toUpperCase());

    globalThis.weekdayRange = function () {
        const { list, read } = taken(arguments);
        const days = list.map((name) => place(DAYS, name));
        if (days.length < 1 || days.length > 2 || days.includes(-1)) return false;
        return around(days[0], read("Day"), days[days.length - 1]);
    };

    globalThis.dateRange = function () {
        const { list, read } = taken(arguments);
        if (list.length !== 1 && list.length % 2 !== 0 || list.length > 6 || list.length === 0) return false;
        const kind = (value) => place(MONTHS, value) >= 0 ? "month" : Number(value) > 31 ? "year" : "day";
        const date = (values) => {
            const parts = {};
            for (const value of values) {
                const of = kind(value);
                parts[of] = of === "month" ? place(MONTHS, value) : Number(value);
            }
            return parts;
        };
        const half = Math.ceil(list.length / 2);
        const from = date(list.slice(0, half));
        const to = list.length === 1 ? from : date(list.slice(half));
        const kinds = Object.keys(from);
        if (kinds.length !== half || Object.keys(to).length !== half) return false;
        if (kinds.some((of) => !(of in to) || isNaN(from[of]) || isNaN(to[of]))) return false;
        const now = { year: read("FullYear"), month: read("Month"), day: read("Date") };
        const number = (parts) => {
            let all = 0;
            if ("year" in from) all += parts.year * 372;
            if ("month" in from) all += parts.month * 31;
            if ("day" in from) all += parts.day;
            return all;
        };
        const [first, at, last] = [number(from), number(now), number(to)];
        return "year" in from ? first <= at && at <= last : around(first, at, last);
    };

    globalThis.timeRange = function () {
        const { list, read } = taken(arguments);
        const numbers = list.map(Number);
        if (![1, 2, 4, 6].includes(numbers.length) || numbers.some(isNaN)) return false;
        const half = Math.ceil(numbers.length / 2);
        const seconds = (parts, rest) => {
            const [hour, minute = rest, second = rest] = parts;
            return (hour * 60 + minute) * 60 + second;
        };
        const from = seconds(numbers.slice(0, half), 0);
        const to = seconds(numbers.length === 1 ? numbers : numbers.slice(half), 59);
        const at = seconds([read("Hours"), read("Minutes"), read("Seconds")], 0);
        return around(from, at, to);
    };

    // Which way is taken by chance is not remembered.
    const { random } = Math;
    Math.random = function () {
        chance();
        return random();
    };
})(diceThrown);
