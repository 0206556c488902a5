/* The grammar of .dg: LALR(1), no conflicts, no precedence declarations (expressions are stratified). Ends of
 * statements, kinds of braces and words that are keywords only in places come from the filter. docs/language.md shows
 * it as EBNF. */
%define api.pure full
%define api.prefix {dgp_}
%define api.token.prefix {TOK_}
%define api.token.raw
%define api.value.type union
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%define parse.lac.es-capacity-initial {8192}
%locations
%expect 0
%param {Filter *f}

%code requires {
#include "frontend/syntax/build.h"
}
%code {
/* The stacks begin on the C stack and move once, to their final size, into the arena: nothing is lost when an action
 * raises. They begin small because AddressSanitizer marks them anew at every label of the parser. Deeper input than
 * YYMAXDEPTH is reported as too deeply nested; the filter's bracket limit comes first for brackets. */
#define YYINITDEPTH 200
#define YYMAXDEPTH 8192
#define YYSTACK_ALLOC(n) NULL
#define yyoverflow(msg, ss, ssn, vs, vsn, ls, lsn, size)                                                          \
  do {                                                                                                             \
    if (*(size) >= YYMAXDEPTH) {                                                                                   \
      build_too_deep(f, yylloc);                                                                                   \
      YYABORT;                                                                                                     \
    }                                                                                                              \
    *(ss) = stack_move(f, *(ss), (size_t)(ssn), sizeof **(ss));                                                    \
    *(vs) = stack_move(f, *(vs), (size_t)(vsn), sizeof **(vs));                                                    \
    *(ls) = stack_move(f, *(ls), (size_t)(lsn), sizeof **(ls));                                                    \
    *(size) = YYMAXDEPTH;                                                                                          \
  } while (0)

#define YYLLOC_DEFAULT(cur, rhs, n)                                                                                \
  (cur) = (n) ? (Span){YYRHSLOC(rhs, 1).file, YYRHSLOC(rhs, 1).lo, YYRHSLOC(rhs, n).hi}                            \
              : (Span){YYRHSLOC(rhs, 0).file, YYRHSLOC(rhs, 0).hi, YYRHSLOC(rhs, 0).hi}

static int dgp_lex(DGP_STYPE *value, Span *at, Filter *f);
static void dgp_error(const Span *at, Filter *f, const char *msg);
static void *stack_move(Filter *f, const void *old, size_t bytes, size_t one);
}
%initial-action { @$ = (Span){f->r->file, 0, 0}; }

%token END 0 "end of file"
%token EOS "end of line"
%token BREAK "line end or ';'"       /* where no statement can end */
%token LPAR "'('" RPAR "')'" LBRACKET "'['" RBRACKET "']'" LBRACE "'{'" RBRACE "'}'"
%token LCHOICE "'{' " RCHOICE "'}' "  /* the braces of an `if` or `cond` that is a value */
%token COMMA "','" COLON "':'" SET "'='" ASSIGN "':='" TILDE "'~'" ARROW "'->'" DOT "'.'" REST "'..'" HASH "'#'"
%token PLUS "'+'" MINUS "'-'" STAR "'*'" SLASH "'/'" AT "'@'" CARET "'^'" QUOTE "'"
%token EQ "'=='" NE "'!='" LT "'<'" LE "'<='" GT "'>'" GE "'>='"
%token HOLE "'_'"
%token <Sym> NAME "a name"
%token <AstNumber *> NUMBER "a number"
%token <Str> STRING "a string"
%token <AstDtype> DTYPE "a dtype"
%token LET "'let'" VAR "'var'" CONST "'const'" IMPORT "'import'" FN "'fn'" EXTERN "'extern'" MODULE "'module'"
%token OPTIMIZER "'optimizer'" PARAM "'param'" FROZEN "'frozen'" TRAIN "'train'" AFTER "'after'" MINIMIZE "'minimize'"
%token UPDATE "'update'" EXCEPT "'except'" USING "'using'" IF "'if'" ELSE "'else'" FOR "'for'" IN "'in'" SCAN "'scan'"
%token WHILE "'while'" COND "'cond'" NEXT "'next'" YIELD "'yield'" RETURN "'return'" ASSERT "'assert'"
%token BACKWARD "'backward'" AND "'and'" OR "'or'" NOT "'not'" TRUE "'true'" FALSE "'false'" INT "'int'"
%token INPUT "'input'" OUTPUT "'output'" LOSS "'loss'" METRIC "'metric'" STATE "'state'" DATASET "'dataset'"

%type <AstStmtVec> stmts seq
%type <AstStmt *> stmt plain if_stmt
%type <AstBlock *> block opt_else error_tail
%type <AstMark *> mark
%type <AstIdent> name mark_word
%type <AstIdentVec> names mark_words
%type <AstType *> type opt_type opt_result
%type <AstTypeVec> types
%type <AstExprVec> exprs items item_list dims dim_list sources
%type <AstExpr *> expr or and not compare sum product unary power exponent postfix primary source item dim opt_expr value
%type <AstExpr *> choice
%type <AstBinary> compare_op
%type <AstBind> bind
%type <AstParamVec> params param_list opt_params
%type <AstParam> param
%type <AstBody> body
%type <AstBackward *> opt_backward
%type <AstArgVec> args arg_list
%type <AstArg> arg
%type <AstCarryVec> carries carry_list
%type <AstCarry> carry
%type <AstFor> walk
%type <AstPath> path
%type <AstPathPart> part
%type <AstPathVec> paths opt_except
%type <Span> opt_frozen
%type <AstUsing> opt_using

%%

file
  : stmts                            { (void)yynerrs; build_file(f, $1, @1); } /* counted by bison, read by nobody */
  ;
stmts
  : %empty                           { $$ = (AstStmtVec){0}; }
  | seq
  | seq EOS
  ;
seq
  : stmt                             { $$ = (AstStmtVec){0}; VEC_PUSH(ARENA, &$$, $1); }
  | seq EOS stmt                     { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
stmt
  : plain                            { $$ = build_stmt_done(f, $1); }
  | mark stmt                        { $$ = build_mark(f, $1, $2, @$); }
  ;
plain
  : IMPORT name                      { $$ = build_import(f, @$, @1, $2, (Str){0}, (Span){0}); }
  | IMPORT name SET STRING           { $$ = build_import(f, @$, @1, $2, $4, @4); }
  | CONST names opt_type SET expr    { $$ = build_bind(f, STMT_CONST, @$, @1, $2, $3, BIND_VALUE($5, @4)); }
  | VAR names opt_type SET expr      { $$ = build_bind(f, STMT_VAR, @$, @1, $2, $3, BIND_VALUE($5, @4)); }
  | opt_frozen LET names opt_type bind
                                     { $$ = build_frozen(build_bind(f, STMT_LET, @$, @2, $3, $4, $5), $1); }
  | opt_frozen PARAM name COLON type bind
                                     { $$ = build_frozen(build_bind(f, STMT_PARAM, @$, @2, ONE($3), $5, $6), $1); }
  | STATE name opt_type bind         { $$ = build_bind(f, STMT_STATE, @$, @1, ONE($2), $3, $4); }
  | INPUT name COLON type            { $$ = build_bind(f, STMT_INPUT, @$, @1, ONE($2), $4, (AstBind){0}); }
  | INPUT name COLON type IN source  { $$ = build_bind(f, STMT_INPUT, @$, @1, ONE($2), $4, (AstBind){.range = $6}); }
  | OUTPUT name opt_type SET expr    { $$ = build_bind(f, STMT_OUTPUT, @$, @1, ONE($2), $3, BIND_VALUE($5, @4)); }
  | LOSS name opt_type SET expr      { $$ = build_bind(f, STMT_LOSS, @$, @1, ONE($2), $3, BIND_VALUE($5, @4)); }
  | METRIC name opt_type SET expr    { $$ = build_bind(f, STMT_METRIC, @$, @1, ONE($2), $3, BIND_VALUE($5, @4)); }
  | FN name params opt_result body opt_backward
                                     { $$ = build_fn_stmt(f, STMT_FN, @$, @1, build_fn(f, @$, @1, $2, $3, @3, $4, $5, $6)); }
  | FN params opt_result body opt_backward
                                     { $$ = build_fn_stmt(f, STMT_FN, @$, @1, build_fn(f, @$, @1, (AstIdent){0}, $2, @2, $3, $4, $5)); }
  | EXTERN FN name params ARROW type opt_backward
                                     { $$ = build_fn_stmt(f, STMT_EXTERN, @$, @1, build_fn(f, @$, @1, $3, $4, @4, $6, (AstBody){0}, $7)); }
  | MODULE name opt_params block     { $$ = build_unit(f, STMT_MODULE, @$, @1, $2, $3, @3, $4); }
  | OPTIMIZER name params block      { $$ = build_unit(f, STMT_OPTIMIZER, @$, @1, $2, $3, @3, $4); }
  | DATASET name block               { $$ = build_unit(f, STMT_DATASET, @$, @1, $2, (AstParamVec){0}, (Span){0}, $3); }
  | TRAIN name block                 { $$ = build_unit(f, STMT_TRAIN, @$, @1, $2, (AstParamVec){0}, (Span){0}, $3); }
  | AFTER name block                 { $$ = build_unit(f, STMT_AFTER, @$, @1, $2, (AstParamVec){0}, (Span){0}, $3); }
  | MINIMIZE expr                    { $$ = build_value(f, STMT_MINIMIZE, @$, @1, $2); }
  | UPDATE paths opt_except opt_using
                                     { $$ = build_update(f, @$, @1, $2, $3, $4); }
  | path SET expr                    { $$ = build_assign(f, STMT_SET, @$, @1, $1, @2, $3); }
  | path ASSIGN expr                 { $$ = build_assign(f, STMT_ASSIGN, @$, @1, $1, @2, $3); }
  | NEXT name SET expr               { $$ = build_assign(f, STMT_NEXT, @$, @1, build_path_name(f, $2), @3, $4); }
  | YIELD value                      { $$ = build_value(f, STMT_YIELD, @$, @1, $2); }
  | RETURN value                     { $$ = build_value(f, STMT_RETURN, @$, @1, $2); }
  | if_stmt
  | FOR walk block                   { $$ = build_for(f, @$, @1, $2, $3); }
  | ASSERT expr                      { $$ = build_assert(f, @$, @1, $2, (Str){0}, (Span){0}); }
  | ASSERT expr COMMA STRING         { $$ = build_assert(f, @$, @1, $2, $4, @4); }
  | error                            { yyerrok; $$ = build_error_stmt(f, @$, NULL, NULL); }
  | error { yyerrok; } block error_tail
                                    { $$ = build_error_stmt(f, @$, $3, $4); }
  ;
error_tail
  : opt_else
  | BACKWARD params body             { $$ = $3.block; }
  ;
if_stmt
  : IF expr block opt_else           { $$ = build_if(f, @$, @1, $2, $3, $4); }
  ;
opt_else
  : %empty                           { $$ = NULL; }
  | ELSE block                       { $$ = $2; }
  | ELSE if_stmt                     { $$ = build_else_if(f, build_stmt_done(f, $2)); }
  ;
block
  : LBRACE stmts RBRACE              { $$ = build_block(f, $2, @$); }
  ;

mark
  : HASH LBRACKET mark_word LPAR mark_words RPAR RBRACKET
                                     { $$ = build_mark_new(f, $3, $5, @$); }
  ;
mark_words
  : mark_word                        { $$ = ONE($1); }
  | mark_words COMMA mark_word       { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
mark_word
  : NAME                             { $$ = (AstIdent){$1, @1}; }
  | mark_word MINUS NAME             { $$ = build_hyphen(f, $1, $3, @$); }
  ;

name
  : NAME                             { $$ = (AstIdent){$1, @1}; }
  | HOLE                             { $$ = (AstIdent){{0}, @1}; }
  ;
names
  : name                             { $$ = ONE($1); }
  | names COMMA name                 { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
opt_frozen
  : %empty                           { $$ = (Span){0}; }
  | FROZEN                           { $$ = @1; }
  ;
bind
  : SET expr                         { $$ = BIND_VALUE($2, @1); }
  | TILDE expr                       { $$ = (AstBind){.init = $2, .init_op = @1}; }
  | SET expr TILDE expr              { $$ = (AstBind){.value = $2, .value_op = @1, .init = $4, .init_op = @3}; }
  ;

params
  : LPAR RPAR                        { $$ = (AstParamVec){0}; }
  | LPAR param_list RPAR             { $$ = $2; }
  | LPAR param_list COMMA RPAR       { $$ = $2; }
  ;
opt_params
  : %empty                           { $$ = (AstParamVec){0}; @$ = (Span){0}; }
  | params
  ;
param_list
  : param                            { $$ = (AstParamVec){0}; VEC_PUSH(ARENA, &$$, $1); }
  | param_list COMMA param           { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
param
  : name opt_type                    { $$ = (AstParam){$1, $2, NULL, @$}; }
  | name opt_type SET expr           { $$ = (AstParam){$1, $2, $4, @$}; }
  ;
opt_result
  : %empty                           { $$ = NULL; }
  | ARROW type                       { $$ = $2; }
  ;
body
  : SET expr                         { $$ = (AstBody){$2, NULL}; }
  | block                            { $$ = (AstBody){NULL, $1}; }
  ;
opt_backward
  : %empty                           { $$ = NULL; }
  | BACKWARD params body             { $$ = build_backward(f, @$, @1, $2, $3); }
  ;

opt_type
  : %empty                           { $$ = NULL; }
  | COLON type                       { $$ = $2; }
  ;
type
  : DTYPE                            { $$ = build_type(f, ATYPE_DTYPE, @$); $$->dtype = $1; }
  | DTYPE LBRACKET dims RBRACKET     { $$ = build_type_dims(f, ATYPE_DTYPE, @$, $3, span_join(@2, @4)); $$->dtype = $1; }
  | NAME                             { $$ = build_type(f, ATYPE_NAME, @$); $$->name = (AstIdent){$1, @1}; }
  | NAME LBRACKET dims RBRACKET      { $$ = build_type_dims(f, ATYPE_NAME, @$, $3, span_join(@2, @4));
                                       $$->name = (AstIdent){$1, @1}; }
  | NAME DOT NAME                    { $$ = build_type(f, ATYPE_NAME, @$); $$->qualifier = (AstIdent){$1, @1};
                                       $$->name = (AstIdent){$3, @3}; }
  | INT                              { $$ = build_type(f, ATYPE_INT, @$); }
  | FN                               { $$ = build_type(f, ATYPE_FN, @$); }
  | LBRACKET type RBRACKET           { AstTypeVec one = {0}; VEC_PUSH(ARENA, &one, $2);
                                       $$ = build_type_items(f, ATYPE_LIST, @$, one); }
  | LPAR types RPAR                  { $$ = build_type_items(f, ATYPE_TUPLE, @$, $2); }
  | LPAR types COMMA RPAR            { $$ = build_type_items(f, ATYPE_TUPLE, @$, $2); }
  ;
types
  : type COMMA type                  { $$ = (AstTypeVec){0}; VEC_PUSH(ARENA, &$$, $1); VEC_PUSH(ARENA, &$$, $3); }
  | types COMMA type                 { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
dims
  : %empty                           { $$ = (AstExprVec){0}; }
  | dim_list
  | dim_list COMMA
  ;
dim_list
  : dim                              { $$ = ONE_EXPR($1); }
  | dim_list COMMA dim               { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
dim
  : expr
  | REST                             { $$ = build_bare(f, EXPR_REST, @$); }
  ;

paths
  : path                             { $$ = (AstPathVec){0}; VEC_PUSH(ARENA, &$$, $1); }
  | paths COMMA path                 { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
path
  : part                             { $$ = (AstPath){.at = @$}; VEC_PUSH(ARENA, &$$.parts, $1); }
  | path DOT part                    { $$ = $1; $$.at = @$; VEC_PUSH(ARENA, &$$.parts, $3); }
  ;
part
  : NAME                             { $$ = (AstPathPart){.name = {$1, @1}, .at = @$}; }
  | STAR                             { $$ = (AstPathPart){.star = true, .name = {{0}, @1}, .at = @$}; }
  | NAME LBRACKET items RBRACKET     { $$ = (AstPathPart){.name = {$1, @1}, .index = $3, .at = @$}; }
  ;
opt_except
  : %empty                           { $$ = (AstPathVec){0}; }
  | EXCEPT paths                     { $$ = $2; }
  ;
opt_using
  : %empty                           { $$ = (AstUsing){0}; }
  | USING expr                       { $$ = (AstUsing){$2, @1}; }
  ;

walk
  : names IN sources                 { $$ = (AstFor){$1, $3, @$}; }
  ;
sources
  : source                           { $$ = ONE_EXPR($1); }
  | sources COMMA source             { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
source
  : expr
  | expr COLON expr                  { $$ = build_range(f, @$, @2, $1, $3, NULL); }
  | expr COLON expr COLON expr       { $$ = build_range(f, @$, @2, $1, $3, $5); }
  ;

value
  : expr
  | exprs                            { $$ = build_items(f, EXPR_TUPLE, @$, $1); }
  ;
exprs
  : expr COMMA expr                  { $$ = ONE_EXPR($1); VEC_PUSH(ARENA, &$$, $3); }
  | exprs COMMA expr                 { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
expr
  : or
  | FN params opt_result body        { $$ = build_lambda(f, build_fn(f, @$, @1, (AstIdent){0}, $2, @2, $3, $4, NULL)); }
  ;
or
  : and
  | or OR and                        { $$ = build_binary(f, BINARY_OR, @2, $1, $3); }
  ;
and
  : not
  | and AND not                      { $$ = build_binary(f, BINARY_AND, @2, $1, $3); }
  ;
not
  : compare
  | NOT not                          { $$ = build_unary(f, UNARY_NOT, @1, $2); }
  ;
compare
  : sum
  | sum compare_op sum               { $$ = build_binary(f, $2, @2, $1, $3); }
  ;
compare_op
  : EQ                               { $$ = BINARY_EQ; }
  | NE                               { $$ = BINARY_NE; }
  | LT                               { $$ = BINARY_LT; }
  | LE                               { $$ = BINARY_LE; }
  | GT                               { $$ = BINARY_GT; }
  | GE                               { $$ = BINARY_GE; }
  ;
sum
  : product
  | sum PLUS product                 { $$ = build_binary(f, BINARY_ADD, @2, $1, $3); }
  | sum MINUS product                { $$ = build_binary(f, BINARY_SUB, @2, $1, $3); }
  ;
product
  : unary
  | product STAR unary               { $$ = build_binary(f, BINARY_MUL, @2, $1, $3); }
  | product SLASH unary              { $$ = build_binary(f, BINARY_DIV, @2, $1, $3); }
  | product AT unary                 { $$ = build_binary(f, BINARY_MATMUL, @2, $1, $3); }
  ;
unary
  : power
  | MINUS unary                      { $$ = build_unary(f, UNARY_NEG, @1, $2); }
  ;
power
  : postfix
  | postfix CARET exponent           { $$ = build_binary(f, BINARY_POW, @2, $1, $3); }
  ;
exponent
  : power
  | MINUS exponent                   { $$ = build_unary(f, UNARY_NEG, @1, $2); }
  ;
postfix
  : primary
  | postfix LPAR args RPAR           { $$ = build_call(f, @$, $1, $3, span_join(@2, @4)); }
  | postfix LBRACKET items RBRACKET  { $$ = build_index(f, @$, $1, $3, span_join(@2, @4)); }
  | postfix DOT NAME                 { $$ = build_field(f, @$, $1, (AstIdent){$3, @3}); }
  | postfix QUOTE                    { $$ = build_quote(f, @$, $1, @2); }
  ;
primary
  : NUMBER                           { $$ = build_number(f, @$, $1); }
  | STRING                           { $$ = build_bare(f, EXPR_STRING, @$); $$->string = $1; }
  | TRUE                             { $$ = build_bare(f, EXPR_BOOL, @$); $$->boolean = true; }
  | FALSE                            { $$ = build_bare(f, EXPR_BOOL, @$); }
  | NAME                             { $$ = build_bare(f, EXPR_NAME, @$); $$->name = $1; }
  | HOLE                             { $$ = build_bare(f, EXPR_HOLE, @$); }
  | DTYPE                            { $$ = build_bare(f, EXPR_DTYPE, @$); $$->dtype = $1; }
  | LPAR expr RPAR                   { $$ = $2; $$->parens = true; $$->at = @$; }
  | LPAR exprs RPAR                  { $$ = build_items(f, EXPR_TUPLE, @$, $2); }
  | LPAR exprs COMMA RPAR            { $$ = build_items(f, EXPR_TUPLE, @$, $2); }
  | LBRACKET RBRACKET                { $$ = build_items(f, EXPR_LIST, @$, (AstExprVec){0}); }
  | LBRACKET expr RBRACKET           { $$ = build_items(f, EXPR_LIST, @$, ONE_EXPR($2)); }
  | LBRACKET expr COMMA RBRACKET     { $$ = build_items(f, EXPR_LIST, @$, ONE_EXPR($2)); }
  | LBRACKET exprs RBRACKET          { $$ = build_items(f, EXPR_LIST, @$, $2); }
  | LBRACKET exprs COMMA RBRACKET    { $$ = build_items(f, EXPR_LIST, @$, $2); }
  | LBRACKET expr FOR walk RBRACKET  { $$ = build_comprehension(f, @$, $2, $4); }
  | choice
  | COND expr LCHOICE expr RCHOICE ELSE LCHOICE expr RCHOICE
                                     { $$ = build_choice(f, EXPR_COND, @$, $2, $4, $8); }
  | SCAN LPAR carries RPAR FOR walk block
                                     { $$ = build_scan(f, @$, span_join(@1, @6), $3, $6, NULL, $7); }
  | SCAN LPAR carries RPAR FOR walk WHILE expr block
                                     { $$ = build_scan(f, @$, span_join(@1, @8), $3, $6, $8, $9); }
  | SCAN LPAR carries RPAR WHILE expr block
                                     { $$ = build_scan(f, @$, span_join(@1, @6), $3, (AstFor){0}, $6, $7); }
  ;
choice
  : IF expr LCHOICE expr RCHOICE ELSE LCHOICE expr RCHOICE
                                     { $$ = build_choice(f, EXPR_IF, @$, $2, $4, $8); }
  | IF expr LCHOICE expr RCHOICE ELSE choice
                                     { $$ = build_choice(f, EXPR_IF, @$, $2, $4, $7); }
  ;
args
  : %empty                           { $$ = (AstArgVec){0}; }
  | arg_list
  | arg_list COMMA
  ;
arg_list
  : arg                              { $$ = (AstArgVec){0}; VEC_PUSH(ARENA, &$$, $1); }
  | arg_list COMMA arg               { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
arg
  : expr                             { $$ = (AstArg){{{0}, {0}}, $1, @$}; }
  | NAME SET expr                    { $$ = (AstArg){{$1, @1}, $3, @$}; }
  ;
items
  : item_list
  | item_list COMMA
  ;
item_list
  : item                             { $$ = ONE_EXPR($1); }
  | item_list COMMA item             { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
item
  : expr
  | REST                             { $$ = build_bare(f, EXPR_REST, @$); }
  | opt_expr COLON opt_expr          { $$ = build_range(f, @$, @2, $1, $3, NULL); }
  | opt_expr COLON opt_expr COLON opt_expr
                                     { $$ = build_range(f, @$, @2, $1, $3, $5); }
  ;
opt_expr
  : %empty                           { $$ = NULL; }
  | expr
  ;
carries
  : %empty                           { $$ = (AstCarryVec){0}; }
  | carry_list
  | carry_list COMMA
  ;
carry_list
  : carry                            { $$ = (AstCarryVec){0}; VEC_PUSH(ARENA, &$$, $1); }
  | carry_list COMMA carry           { $$ = $1; VEC_PUSH(ARENA, &$$, $3); }
  ;
carry
  : name opt_type SET expr           { $$ = (AstCarry){$1, $2, $4, @$}; }
  ;

%%

static int dgp_lex(DGP_STYPE *value, Span *at, Filter *f) {
  int kind = filter_next(f, at);
  switch (kind) {
  case TOK_NAME: value->TOK_NAME = names_add(f->r->names, reader_text(f->r, at->lo, at->hi)); break;
  case TOK_NUMBER: value->TOK_NUMBER = f->last_bad ? NULL : number_read(ARENA, reader_text(f->r, at->lo, at->hi)); break;
  case TOK_STRING: value->TOK_STRING = f->last_bad ? (Str){0} : string_read(f->r, at->lo, at->hi); break;
  case TOK_DTYPE: value->TOK_DTYPE = word_dtype(reader_text(f->r, at->lo, at->hi)); break;
  default: break; /* the others are their kind */
  }
  return kind;
}

static int yyreport_syntax_error(const yypcontext_t *cx, Filter *f) {
  yysymbol_kind_t list[YYNTOKENS];
  bool expected[YYNTOKENS] = {false};
  int n = yypcontext_expected_tokens(cx, list, YYNTOKENS);
  for (int i = 0; i < n; i++) expected[list[i]] = true;
  syntax_report(f, expected);
  filter_error(f);
  return 0;
}

static void *stack_move(Filter *f, const void *old, size_t bytes, size_t one) {
  return memcpy(arena_array(ARENA, YYMAXDEPTH, one, 16), old, bytes);
}

/* Only the end of the stack for looking ahead comes here. */
static void dgp_error(const Span *at, Filter *f, const char *msg) {
  (void)msg;
  build_too_deep(f, *at);
}

const char *token_name(int kind) {
  if (kind == TOK_LCHOICE) kind = TOK_LBRACE; /* the user sees one kind of brace */
  if (kind == TOK_RCHOICE) kind = TOK_RBRACE;
  return yysymbol_name((yysymbol_kind_t)kind);
}
