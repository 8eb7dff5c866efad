'use strict';
(async () => {
  const $ = (id) => document.getElementById(id);
  const packed = Uint8Array.from(atob($('data').textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  const lines = (await new Response(stream).text()).split('\n');
  const head = JSON.parse(lines[0]);
  const records = lines.slice(1).map((line, n) => {
    const [at, who, kind, text, raw] = JSON.parse(line);
    return { n, at, who, kind, text, raw, words: (who + ' ' + text).toLowerCase() };
  });
  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // The buttons.
  const save = (name, text) => {
    const link = make('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const copy = async (button, text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make('textarea');
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    const before = button.textContent;
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = before; }, 1200);
  };
  const trace = () => records.map((record) => JSON.stringify(record.raw)).join('\n') + '\n';
  const buttons = [
    ['Copy replay line', (button) => copy(button, head.replay)],
    ['Copy plan as TOML', (button) => copy(button, head.plan)],
    ['Copy as Markdown', (button) => copy(button, head.markdown)],
    ['Download capsule', () => save(head.stem + '.toml', head.capsule)],
    ['Download trace', () => save(head.stem + '.jsonl', trace())],
  ];
  for (const [name, act] of buttons) {
    const button = make('button', '', name);
    button.type = 'button';
    button.addEventListener('click', () => act(button));
    $('buttons').append(button);
  }
  $('buttons').hidden = false;

  // The records: only those in sight are in the document.
  const HEIGHT = 24;
  const list = $('list');
  const detail = $('detail');
  const proofs = new Set([...document.querySelectorAll('.row.proves')].map((row) => Number(row.getAttribute('href').slice(3))));
  const space = make('div');
  const rows = make('div');
  space.append(rows);
  list.append(space);
  let shown = [];
  let range = null;
  let selected = null;
  const clock = (ns) => (ns / 1e9).toFixed(3) + ' s';

  const draw = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - 8);
    const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + 8);
    const drawn = [];
    for (let place = first; place < last; place++) {
      const record = shown[place];
      const row = make('div', 'r ' + record.kind + (proofs.has(record.n) ? ' proof' : ''));
      row.style.top = place * HEIGHT + 'px';
      row.id = 'row-' + record.n;
      row.setAttribute('role', 'option');
      row.setAttribute('aria-selected', String(record === selected));
      row.setAttribute('aria-posinset', String(place + 1));
      row.setAttribute('aria-setsize', String(shown.length));
      row.append(make('span', 'n', '#' + record.n), make('span', 't', clock(record.at)), make('span', 'w', record.who),
        make('span', 'k', record.kind), make('span', 'x', record.text));
      row.title = record.text;
      row.addEventListener('click', () => { location.hash = 'r=' + record.n; });
      drawn.push(row);
    }
    rows.replaceChildren(...drawn);
    if (selected) list.setAttribute('aria-activedescendant', 'row-' + selected.n);
  };

  const filter = () => {
    const words = $('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    const host = $('host').value;
    const kinds = new Set([...document.querySelectorAll('.kinds input:checked')].map((box) => box.value));
    shown = records.filter((record) =>
      (record === selected && !words.length && !host) || (kinds.has(record.kind) && (!host || record.names.has(host))
      && (!range || (record.n >= range[0] && record.n <= range[1])) && words.every((word) => record.words.includes(word))));
    space.style.height = shown.length * HEIGHT + 'px';
    $('count').textContent = shown.length + ' of ' + records.length + ' records';
    $('range').hidden = !range;
    draw();
  };

  const reveal = (record) => {
    let place = shown.indexOf(record);
    if (place < 0) {
      range = null;
      $('search').value = '';
      $('host').value = '';
      filter();
      place = shown.indexOf(record);
    }
    const top = place * HEIGHT;
    if (top < list.scrollTop || top + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 3;
  };

  const select = (record, scroll) => {
    selected = record;
    reveal(record);
    draw();
    detail.hidden = false;
    document.querySelector('.table').classList.add('open');
    detail.textContent = '#' + record.n + '  ' + clock(record.at) + '  ' + record.who + '\n' + record.text + '\n\n' + JSON.stringify(record.raw, null, 2);
    for (const row of document.querySelectorAll('.row.on')) row.classList.remove('on');
    const inScene = document.querySelector('.row[href="#r=' + record.n + '"]');
    if (inScene) inScene.classList.add('on');
    if (scroll) $('records').scrollIntoView({ block: 'start' });
  };

  const hosts = new Set();
  for (const record of records) {
    record.names = new Set(record.who.replace(/#\d+/g, '').split('->'));
    for (const name of record.names) if (name !== '-') hosts.add(name);
  }
  for (const name of [...hosts].sort()) {
    const option = make('option', '', name);
    option.value = name;
    $('host').append(option);
  }

  const go = () => {
    const record = /^#r=(\d+)$/.exec(location.hash);
    const window_ = /^#w=(\d+)-(\d+)$/.exec(location.hash);
    if (record && records[Number(record[1])]) select(records[Number(record[1])], true);
    if (window_) {
      range = [Number(window_[1]), Number(window_[2])];
      $('range').textContent = 'records ' + range.join(' to ') + ' ✕';
      list.scrollTop = 0;
      filter();
      $('records').scrollIntoView({ block: 'start' });
    }
  };

  document.querySelector('.tools').hidden = false;
  document.querySelector('.table').hidden = false;
  $('search').addEventListener('input', () => { list.scrollTop = 0; filter(); });
  $('host').addEventListener('change', filter);
  document.querySelector('.kinds').addEventListener('change', filter);
  $('range').addEventListener('click', () => { range = null; history.replaceState(null, '', '#records'); filter(); });
  list.addEventListener('scroll', draw, { passive: true });
  addEventListener('resize', draw);
  list.addEventListener('keydown', (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || !shown.length) return;
    event.preventDefault();
    const place = Math.min(shown.length - 1, Math.max(0, shown.indexOf(selected) + steps[event.key]));
    history.replaceState(null, '', '#r=' + shown[place].n);
    select(shown[place], false);
  });
  const picture = document.querySelector('.picture');
  picture.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    event.preventDefault();
    const all = [...picture.querySelectorAll('a.row')];
    const place = all.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1);
    const next = all[Math.min(all.length - 1, Math.max(0, place))];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
  });
  addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    $('search').focus();
  });
  addEventListener('hashchange', go);
  filter();
  go();
  document.documentElement.dataset.ready = 'yes';
})();
