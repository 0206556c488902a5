/* einsum("bij,bjk->bik", a, b): sums of products by named axes. Two operands at a time, from the left; each
 * pair is transposes, a contraction or a product, so that nothing after the front end knows of it. */
#include "frontend/elaborate/probe.h"

/* Axes by label: letters, then the leading ones of `..`, counted from the last. */
enum { LETTERS = 52, LABELS = LETTERS + MAX_RANK, LEADING = 255 };

typedef struct Labels {
  uint8_t at[MAX_RANK + 1]; /* LEADING: those of `..` stand here */
  uint8_t n;
} Labels;

typedef struct Labelled { /* a tensor, its axes named */
  NodeId n;
  Labels axes;
} Labelled;

typedef struct Einsum {
  Elab *x;
  const char *name;
  Span at, text_at;
  DimId extent[LABELS];
  uint64_t known; /* labels that have an extent */
  uint8_t leading;
} Einsum;

static uint64_t bit(uint8_t label) { return UINT64_C(1) << label; }
static uint64_t set_of(const Labels *l) {
  uint64_t s = 0;
  for (uint8_t i = 0; i < l->n; i++) s |= bit(l->at[i]);
  return s;
}

static bool refuse(Einsum *e, Str why) {
  TELL(e->x, bad_operand, e->text_at, e->name, why);
  return false;
}

static Str label_text(Einsum *e, uint8_t label) {
  if (label >= LETTERS) return STR("..");
  char c = (char)(label < 26 ? 'a' + label : 'A' + label - 26);
  return str_fmt(e->x->a, "%c", c);
}

/* Letters and `..`, up to a comma, an arrow or the end. */
static bool read_labels(Einsum *e, Str text, size_t *at, Labels *l) {
  l->n = 0;
  for (; *at < text.n && text.p[*at] != ',' && text.p[*at] != '-'; ++*at) {
    char c = text.p[*at];
    uint8_t label = LEADING;
    if (c == ' ') continue;
    if (str_starts((Str){text.p + *at, text.n - *at}, STR("...")))
      return refuse(e, STR("leading axes are two dots, '..'"));
    if (c == '.' && *at + 1 < text.n && text.p[*at + 1] == '.')
      ++*at;
    else if (c >= 'a' && c <= 'z')
      label = (uint8_t)(c - 'a');
    else if (c >= 'A' && c <= 'Z')
      label = (uint8_t)(c - 'A' + 26);
    else
      return refuse(e, STR("its text is of letters, '..', ',' and one '->'"));
    for (uint8_t i = 0; i < l->n; i++)
      if (l->at[i] == label)
        return refuse(e, str_fmt(e->x->a, "'" STRF "' stands twice for one tensor",
                                 STRA(label == LEADING ? STR("..") : label_text(e, label))));
    if (l->n == MAX_RANK) return refuse(e, STR("there are more letters than a tensor can have axes"));
    l->at[l->n++] = label;
  }
  return true;
}

/* LEADING replaced by `n` labels. */
static bool spread(Einsum *e, Labels *l, uint8_t n) {
  Labels out = {.n = 0};
  for (uint8_t i = 0; i < l->n; i++) {
    if (out.n + (l->at[i] == LEADING ? n : 1) > MAX_RANK)
      return refuse(e, STR("the result has more axes than a tensor can have"));
    if (l->at[i] != LEADING) out.at[out.n++] = l->at[i];
    for (uint8_t k = n; l->at[i] == LEADING && k-- > 0;) out.at[out.n++] = (uint8_t)(LETTERS + k);
  }
  *l = out;
  return true;
}

/* The k-th tensor under its labels. */
static bool enter(Einsum *e, Operand o, Labelled *a, DType *dtype, uint32_t k) {
  Elab *x = e->x;
  if (!val_tensor(o.v)) return wrong_kind(x, o.at, o.v, "a tensor"), false;
  a->n = val_to_node(x, o.v, o.at, -1);
  if (!node_ok(a->n)) return false;
  Type t = node_type(x, a->n);
  if (!dtype_is_float((DType)t.dtype)) return wrong_kind(x, o.at, o.v, "a real tensor"), false;
  if (k && t.dtype != *dtype)
    return TELL(x, bad_operand, o.at, e->name,
                str_fmt(x->a, "it is " STRF ", and the first one is of %s", STRA(type_text(x, t)),
                        dtype_name(*dtype))),
           false;
  *dtype = (DType)t.dtype;
  bool leads = false;
  for (uint8_t i = 0; i < a->axes.n; i++) leads = leads || a->axes.at[i] == LEADING;
  uint8_t named = (uint8_t)(a->axes.n - leads);
  if (leads ? t.rank < named : t.rank != named)
    return TELL(x, bad_operand, o.at, e->name,
                str_fmt(x->a, "%d axes are named for " STRF, (int)named, STRA(type_text(x, t)))),
           false;
  uint8_t over = (uint8_t)(t.rank - named);
  if (leads && over > e->leading) e->leading = over;
  if (!spread(e, &a->axes, over)) return false;
  for (uint8_t i = 0; i < t.rank; i++) {
    uint8_t label = a->axes.at[i];
    if ((e->known & bit(label)) && !dim_agree(e->extent[label], t.dim[i]))
      return TELL(x, bad_operand, o.at, e->name,
                  str_fmt(x->a, "axis '" STRF "' is " STRF " here and " STRF " before",
                          STRA(label_text(e, label)), STRA(dim_text(x, t.dim[i])),
                          STRA(dim_text(x, e->extent[label])))),
             false;
    if (!(e->known & bit(label)) || !e->extent[label].i) e->extent[label] = t.dim[i];
    e->known |= bit(label);
  }
  return true;
}

/* Sums over what is not in the set. */
static void sum_out(Einsum *e, Labelled *a, uint64_t keep) {
  Builder b = builder_at(e->x, e->at);
  uint32_t axes = 0;
  Labels left = {.n = 0};
  for (uint8_t i = 0; i < a->axes.n; i++) {
    if (keep & bit(a->axes.at[i]))
      left.at[left.n++] = a->axes.at[i];
    else
      axes |= 1u << i;
  }
  if (axes) a->n = build_drop_axes(&b, build_reduce(&b, OP_SUM, a->n, axes), axes);
  a->axes = left;
}

/* Its axes in this order. */
static void arrange(Einsum *e, Labelled *a, const Labels *order) {
  Builder b = builder_at(e->x, e->at);
  uint8_t perm[MAX_RANK];
  bool moved = false;
  for (uint8_t i = 0; i < order->n; i++)
    for (uint8_t k = 0; k < a->axes.n; k++)
      if (a->axes.at[k] == order->at[i]) perm[i] = k, moved = moved || k != i;
  if (moved) a->n = build_transpose(&b, a->n, perm);
  a->axes = *order;
}

static Labels those(const Labels *l, uint64_t set) {
  Labels r = {.n = 0};
  for (uint8_t i = 0; i < l->n; i++)
    if (set & bit(l->at[i])) r.at[r.n++] = l->at[i];
  return r;
}
static void join(Labels *to, Labels more) {
  for (uint8_t i = 0; i < more.n && to->n < MAX_RANK; i++) to->at[to->n++] = more.at[i];
}
static Type type_by(const Einsum *e, DType t, const Labels *l) {
  Type r = {.dtype = (uint8_t)t, .rank = l->n};
  for (uint8_t i = 0; i < l->n; i++) r.dim[i] = e->extent[l->at[i]];
  return r;
}
static DimId count(const Einsum *e, const Labels *l) {
  Type t = type_by(e, DT_F32, l);
  return type_count(e->x->dims, &t);
}

/* [batch, free of a, 1..] times [batch, 1.., free of b]. */
static NodeId product(Einsum *e, Labelled a, Labelled b, const Labels *out, DType t) {
  Builder bu = builder_at(e->x, e->at);
  NodeId in[2] = {a.n, b.n};
  Type whole = type_by(e, t, out);
  for (int k = 0; k < 2; k++) {
    uint64_t has = set_of(k ? &b.axes : &a.axes);
    Type wide = whole;
    for (uint8_t i = 0; i < out->n; i++)
      if (!(has & bit(out->at[i]))) wide.dim[i] = dim_const(e->x->dims, 1);
    in[k] = build_broadcast(&bu, build_reshape(&bu, in[k], wide), whole);
  }
  return build_scalar(&bu, OP_MUL, in[0], in[1], NO_NODE);
}

/* [batch, M, K] with [batch, K, N], each group of axes folded into one. */
static NodeId contraction(Einsum *e, NodeId a, NodeId b, const Labels group[4], const Labels *out, DType t) {
  Builder bu = builder_at(e->x, e->at);
  DimId batch = count(e, &group[0]), m = count(e, &group[1]), n = count(e, &group[2]),
        k = count(e, &group[3]);
  Type ta = {.dtype = (uint8_t)t, .rank = 3, .dim = {batch, m, k}};
  Type tb = {.dtype = (uint8_t)t, .rank = 3, .dim = {batch, k, n}};
  if (!group[0].n) {
    ta = (Type){.dtype = (uint8_t)t, .rank = 2, .dim = {m, k}};
    tb = (Type){.dtype = (uint8_t)t, .rank = 2, .dim = {k, n}};
  }
  a = product_operand(e->x, a), b = product_operand(e->x, b);
  NodeId r = build_contract(&bu, build_reshape(&bu, a, ta), build_reshape(&bu, b, tb), false, false);
  return build_reshape(&bu, r, type_by(e, t, out));
}

/* One tensor of two; what is in `keep` is still needed. */
static bool pair(Einsum *e, Labelled *a, Labelled b, uint64_t keep, DType t) {
  sum_out(e, a, keep | set_of(&b.axes));
  sum_out(e, &b, keep | set_of(&a->axes));
  uint64_t sa = set_of(&a->axes), sb = set_of(&b.axes);
  Labels group[4] = {those(&a->axes, sa & sb & keep), those(&a->axes, sa & ~sb), those(&b.axes, sb & ~sa),
                     those(&a->axes, sa & sb & ~keep)};
  if (group[0].n + group[1].n + group[2].n > MAX_RANK)
    return refuse(e, STR("an intermediate result has more axes than a tensor can have"));
  Labels out = group[0], left = group[0], right = group[0];
  join(&out, group[1]), join(&out, group[2]);
  join(&left, group[1]), join(&left, group[3]);
  join(&right, group[3]), join(&right, group[2]);
  Type made = type_by(e, t, &out);
  if (!type_small(e->x, e->at, &made)) return false;
  arrange(e, a, &left);
  arrange(e, &b, &right);
  a->n = group[3].n ? contraction(e, a->n, b.n, group, &out, t) : product(e, *a, b, &out, t);
  a->axes = out;
  return true;
}

/* Labels of the operands and of the result, as the text says. */
static bool read_text(Einsum *e, Str text, Labels *in, uint32_t n, Labels *out) {
  size_t at = 0;
  for (uint32_t k = 0; k < n; k++) {
    if (!read_labels(e, text, &at, &in[k])) return false;
    bool more = at < text.n && text.p[at] == ',';
    if (more != (k + 1 < n))
      return refuse(e, str_fmt(e->x->a, "its text is about %s than the %u tensors that follow",
                               more ? "more" : "fewer", n));
    at += more;
  }
  if (at + 1 >= text.n || text.p[at] != '-' || text.p[at + 1] != '>')
    return refuse(e, STR("'->' and the axes of the result are missing: \"ij,jk->ik\""));
  at += 2;
  if (!read_labels(e, text, &at, out)) return false;
  return at == text.n || refuse(e, STR("the result is one tensor"));
}

/* The result's axes come from somewhere, and no leading ones are lost. */
static bool result_axes(Einsum *e, Labels *out) {
  bool leads = false;
  for (uint8_t i = 0; i < out->n; i++) {
    leads = leads || out->at[i] == LEADING;
    if (out->at[i] != LEADING && !(e->known & bit(out->at[i])))
      return refuse(e, str_fmt(e->x->a, "no tensor has the axis '" STRF "' of the result",
                               STRA(label_text(e, out->at[i]))));
  }
  if (!leads && e->leading) return refuse(e, STR("leading axes of '..' are missing in the result"));
  return spread(e, out, e->leading);
}

Value bi_einsum(Elab *x, const Builtin *b, ArgVec *args, Span at) {
  Operand o[MAX_BUILTIN_ARGS];
  Labels in[MAX_BUILTIN_ARGS], out;
  Labelled tensor[MAX_BUILTIN_ARGS] = {0};
  DType t = DT_F32;
  uint32_t n = 0;
  if (!builtin_args(x, b, args, at, o)) return val_poison();
  if (o[0].v.kind != VAL_STRING) return wrong_kind(x, o[0].at, o[0].v, "a text such as \"ij,jk->ik\"");
  while (n + 1 < MAX_BUILTIN_ARGS && arg_given(o[1 + n])) n++;
  Einsum e = {.x = x, .name = b->name, .at = at, .text_at = o[0].at};
  if (!read_text(&e, o[0].v.str, in, n, &out)) return val_poison();
  for (uint32_t k = 0; k < n; k++) {
    tensor[k].axes = in[k];
    if (!enter(&e, o[1 + k], &tensor[k], &t, k)) return val_poison();
  }
  if (!result_axes(&e, &out)) return val_poison();
  for (uint8_t l = 0; l < LABELS; l++)
    if ((e.known & bit(l)) && !e.extent[l].i && !probe_any(x)) return val_poison();
  for (uint32_t k = 1; k < n; k++) {
    uint64_t keep = set_of(&out);
    for (uint32_t later = k + 1; later < n; later++) keep |= set_of(&tensor[later].axes);
    if (!pair(&e, &tensor[0], tensor[k], keep, t)) return val_poison();
  }
  sum_out(&e, &tensor[0], set_of(&out));
  arrange(&e, &tensor[0], &out);
  return val_node(tensor[0].n);
}
